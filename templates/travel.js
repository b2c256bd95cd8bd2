// Travel through the past: the slider shows the page of each moment in this page, as the links and the field beside it
// do by their addresses.
(() => {
  "use strict";
  if (!page) return;
  const { $, body, swappers, dressers, show } = page;
  const range = $("#moment");
  if (!range) return;

  const MINUTE = 60000;
  const HOUR = 60 * MINUTE;
  const said = (ms) => new Date(ms).toLocaleString("en-GB", {
    ...(body.dataset.zone ? { timeZone: body.dataset.zone } : {}),
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false,
  });

  let waiting = 0;

  function tell() {
    const now = Number(range.value) >= Number(range.max);
    const text = now ? "now" : said(Number(range.value));
    range.setAttribute("aria-valuetext", text);
    const place = $("[data-moment]");
    if (place) place.textContent = text;
  }

  function go(address) {
    clearTimeout(waiting);
    waiting = 0;
    history.replaceState(null, "", address);
    show(address);
  }

  function slide() {
    tell();
    const address = new URL(location.href);
    if (Number(range.value) >= Number(range.max)) address.searchParams.delete("at");
    else address.searchParams.set("at", new Date(Number(range.value)).toISOString());
    clearTimeout(waiting);
    // While it is being moved not every moment is asked for.
    waiting = setTimeout(() => go(address), 150);
  }

  range.hidden = false;
  // Without a script a live page asks for itself again and would close it: there a link leads to a page that stays.
  $("#travel").hidden = false;
  range.addEventListener("input", slide);
  range.addEventListener("keydown", (event) => {
    const far = { PageDown: -1, PageUp: 1 }[event.key];
    if (!far || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    range.value = String(Number(range.value) + far * HOUR * (event.shiftKey ? 24 : 1));
    slide();
  });
  // A step stays in this page, so that the next one is a key away.
  document.addEventListener("click", (event) => {
    const step = event.target.closest?.("a[data-step]");
    if (!step || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(step.href);
  });
  swappers.push((next) => {
    const other = next.querySelector("#moment");
    if (!other) return;
    const travelling = waiting !== 0;
    const atEnd = Number(range.value) >= Number(range.max);
    range.min = other.min;
    range.max = other.max;
    // What the reader moves is the reader's; a step or the time that passes moves it for them.
    if (!travelling || atEnd || !("past" in next.body.dataset)) range.value = other.value;
    tell();
  });
  dressers.push(tell);
})();
