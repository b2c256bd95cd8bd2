// The pages work without this. With it they stay fresh, durations tick, the list of services is filtered while one
// types, charts say exact values (charts.js) and one travels through the past (travel.js). One file for the browser, no
// framework, no request to anywhere but here.
const page = (() => {
  "use strict";
  const body = document.body;
  const base = body.dataset.base;
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const NBSP = "\u00a0";

  // ---- The reader's wishes, in cookies
  const remember = (name, value) => {
    const age = value ? 31536000 : 0;
    document.cookie = `${name}=${encodeURIComponent(value)}; path=${base || "/"}; max-age=${age}; samesite=lax`;
  };

  // The zone that times are said in: this browser's, unless the address or an earlier visit says another.
  if ("zoneDefault" in body.dataset) {
    let zone = "";
    try { zone = Intl.DateTimeFormat().resolvedOptions().timeZone || ""; } catch { /* then it stays UTC */ }
    if (zone && zone !== body.dataset.zone) {
      remember("tz", zone);
      // Only once: a server that does not know the zone must not be asked for ever.
      if (document.cookie.includes("tz=") && !sessionStorage.getItem("zone-asked")) {
        sessionStorage.setItem("zone-asked", zone);
        location.reload();
        return null;
      }
    }
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches("input[name=theme]")) return;
    remember("theme", event.target.value);
    if (event.target.value) document.documentElement.dataset.theme = event.target.value;
    else delete document.documentElement.dataset.theme;
  });

  // ---- Durations that tick
  const skew = Date.now() - Number(body.dataset.now);
  let serverNow = () => Date.now() - skew;

  function duration(ms, parts) {
    let rest = Math.max(0, Math.floor(ms / 1000));
    const words = [];
    let looked = 0;
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
      const count = Math.floor(rest / size);
      rest %= size;
      if (count > 0 || looked > 0) {
        looked += 1;
        if (count > 0) words.push(count + NBSP + unit);
      }
      if (looked === parts) break;
    }
    return words.join(" ") || `0${NBSP}s`;
  }

  function tick() {
    const zone = body.dataset.zone ? { timeZone: body.dataset.zone } : {};
    for (const clock of $$("[data-clock]")) clock.textContent = new Date(serverNow()).toLocaleTimeString("en-GB", { ...zone, hour: "2-digit", minute: "2-digit" });
    // What is over does not go on.
    if ("past" in body.dataset) return;
    for (const element of $$("time[data-since]")) {
      const ms = serverNow() - Number(element.dataset.since);
      const said = duration(ms, "short" in element.dataset && ms >= 3600000 ? 1 : 2);
      if (element.textContent !== said) element.textContent = said;
    }
  }

  // ---- Staying fresh: the page is asked for again and its parts are put in the place of the old ones
  // A change of state is told by the stream of events; numbers are renewed at this pace, and faster without a stream.
  const EVERY = 15000;
  const WITHOUT_STREAM = 5000;
  let streaming = false;
  const pace = () => (streaming ? EVERY : WITHOUT_STREAM);
  let freshAt = Date.now();
  let pause = WITHOUT_STREAM;
  let timer = 0;
  let asked = null;

  // A link that is replaced between press and release would not be followed.
  let pressed = false;
  addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = false; }, 50), true);

  const busy = () => {
    const active = document.activeElement;
    const typing = active && active.matches("input:not([type=radio], [type=range]), select, textarea") && active.id !== "q";
    return typing || $("details.pick[open]") || pressed || !getSelection().isCollapsed;
  };

  function live(word, cut) {
    const connection = $("[data-live=connection]");
    connection.classList.toggle("cut", cut);
    $("[data-live-word]", connection).textContent = word;
  }

  const fresh = () => "refresh" in body.dataset;

  async function ask(address) {
    asked?.abort();
    asked = new AbortController();
    const mine = asked;
    const limit = setTimeout(() => mine.abort(), 15000);
    try {
      const answer = await fetch(address, { signal: mine.signal, headers: { accept: "text/html" } });
      const text = await answer.text();
      return { mine, ok: answer.ok, status: answer.status, next: new DOMParser().parseFromString(text, "text/html") };
    } finally {
      clearTimeout(limit);
    }
  }

  async function refresh() {
    clearTimeout(timer);
    // What is over is not asked for again.
    if (!fresh()) return;
    if (document.hidden || busy()) return later();
    let mine = null;
    try {
      const asking = ask(location.href);
      mine = asked;
      const { ok, status, next } = await asking;
      if (mine !== asked) return;
      if (!ok) throw new Error(String(status));
      if (busy()) return later();
      put(next);
      freshAt = Date.now();
      pause = pace();
      // The address may have become one of the past meanwhile.
      if (fresh()) live("Live", false);
    } catch {
      // Something else was asked for meanwhile.
      if (mine !== asked) return;
      pause = Math.min(pause * 1.6, 60000);
      const since = new Date(freshAt).toLocaleTimeString([], { hour12: false });
      live(`Not live since ${since}. Trying again in ${Math.round(pause / 1000)}${NBSP}s`, true);
    }
    schedule();
  }

  // What is over does not change by the clock, only by what is told.
  const told = () => body.dataset.refresh === "told";
  const later = () => {
    clearTimeout(timer);
    if (fresh()) timer = setTimeout(refresh, pause);
  };
  const schedule = () => { if (!told() || !streaming) later(); };

  // Shows what another address has, in this page; also when it is the page that says why there is nothing.
  async function show(address) {
    const asking = ask(address);
    const mine = asked;
    try {
      const { next } = await asking;
      if (mine !== asked) return;
      put(next);
      freshAt = Date.now();
      wake();
    } catch {
      // The browser says what is wrong.
      if (mine === asked) location.assign(address);
    }
  }

  let listening = false;
  function wake() {
    if (!fresh()) return clearTimeout(timer);
    live("Live", false);
    pause = pace();
    schedule();
    if (!listening) listen(5000);
    listening = true;
  }

  // One stream a page. The browser comes back by itself and says what it heard last; where it gives up, we try again.
  function listen(after) {
    const stream = new EventSource(`${base}/api/v1/events?events=status,incident`);
    const soon = () => {
      clearTimeout(timer);
      if (!fresh()) return;
      // Not all open pages at the very same moment.
      timer = setTimeout(refresh, 50 + Math.random() * 250);
    };
    stream.addEventListener("open", () => {
      streaming = true;
      if (told()) soon();
    });
    for (const kind of ["status", "incident", "reset"]) stream.addEventListener(kind, soon);
    stream.addEventListener("error", () => {
      streaming = false;
      // Whether we are cut off is seen by asking.
      soon();
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => listen(Math.min(after * 2, 120000)), after);
    });
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  // Where the focus is, in words that hold for the next page too.
  function place(element) {
    if (!element || element === body) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    const href = element.getAttribute("href");
    return href ? `${element.localName}[href="${CSS.escape(href)}"]` : null;
  }

  function put(next) {
    const focus = place(document.activeElement);
    const typed = $("#q")?.value;
    const open = $$("main details").map((details) => details.open);
    const scrolled = $$("main .scroll, main .chips").map((element) => element.scrollLeft);
    const before = $("[data-live=truth]")?.className + ($("[data-live=truth] em")?.firstChild?.textContent ?? "");
    $("#main").replaceWith(next.querySelector("#main"));
    // Around it, each part that the other page has too.
    for (const part of $$("[data-swap]")) {
      const other = next.querySelector(`[data-swap="${part.dataset.swap}"]`);
      if (other) part.replaceWith(other);
    }
    for (const mark of ["past", "refresh"]) {
      if (mark in next.body.dataset) body.dataset[mark] = next.body.dataset[mark];
      else delete body.dataset[mark];
    }
    for (const swapper of swappers) swapper(next);
    document.title = next.title;
    $$("main details").forEach((details, i) => { details.open = open[i] ?? details.open; });
    $$("main .scroll, main .chips").forEach((element, i) => { element.scrollLeft = scrolled[i] ?? 0; });
    if (typed !== undefined && $("#q")) $("#q").value = typed;
    const theirs = Number(next.body.dataset.now);
    const difference = Date.now() - theirs;
    serverNow = () => Date.now() - difference;
    dress();
    if (focus) $(focus)?.focus({ preventScroll: true });
    const truth = $("[data-live=truth]");
    const after = truth?.className + ($("[data-live=truth] em")?.firstChild?.textContent ?? "");
    // Changes of state are read aloud; a duration that ticks is not.
    if (before !== after && truth) $("[data-live=announce]").textContent = truth.textContent;
  }

  // ---- The list of services
  function filter() {
    const field = $("#q");
    if (!field) return;
    const needle = field.value.trim().toLowerCase();
    let shown = 0;
    for (const group of $$(".services tbody")) {
      // The server knows what is in a folded group, and opens it where it finds something.
      if ("folded" in group.dataset) { shown += 1; continue; }
      let mine = 0;
      for (const row of $$("tr[data-service]", group)) {
        const hit = !needle || row.cells[1].textContent.toLowerCase().includes(needle)
          || (group.firstElementChild.className === "grp" && group.firstElementChild.textContent.toLowerCase().includes(needle));
        row.hidden = !hit;
        if (hit) mine += 1;
      }
      group.hidden = mine === 0;
      shown += mine;
    }
    const none = $("[data-none]");
    if (none) none.hidden = shown > 0;
  }

  function type(event) {
    const address = new URL(location.href);
    const text = event.target.value.trim();
    if (text) address.searchParams.set("q", text); else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    filter();
    // The server filters by more than what is in the rows, and counts anew.
    clearTimeout(timer);
    timer = setTimeout(refresh, 400);
  }

  const stored = new Map();

  // What the interface answers, asked for once. What failed is asked for again.
  function fetched(address) {
    if (!stored.has(address)) {
      if (stored.size > 20) stored.clear();
      const answer = fetch(address).then((found) => (found.ok ? found.json() : null)).catch(() => null);
      stored.set(address, answer);
      answer.then((found) => { if (found === null) stored.delete(address); });
    }
    return stored.get(address);
  }

  // ---- What has to be done again whenever the page was replaced
  const dressers = [];
  const swappers = [];
  function dress() {
    tick();
    filter();
    $("#q")?.addEventListener("input", type);
    $$("[data-fold]").forEach((link) => link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || "past" in body.dataset) return;
      event.preventDefault();
      history.replaceState(null, "", link.href);
      clearTimeout(timer);
      timer = setTimeout(refresh, 60);
    }));
    $$("[data-submit]").forEach((field) => field.addEventListener("change", () => field.form.requestSubmit()));
    // Empty fields make long addresses.
    $$("main form:not([method=post]), .travel form").forEach((form) => form.addEventListener("submit", () => {
      $$("input, select", form).forEach((field) => { if (!field.value) field.disabled = true; });
    }));
    for (const dresser of dressers) dresser();
    $$("[data-print]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => print());
    });
    $$("[data-copy]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", async () => {
        const usual = button.textContent;
        const kept = $(`[data-text="${button.dataset.copy}"]`);
        try {
          const text = kept ? kept.textContent : JSON.stringify(await fetched(button.dataset.url), null, 2);
          await navigator.clipboard.writeText(text);
          button.textContent = "Copied";
        } catch {
          // Without the right to the clipboard (plain HTTP) the old way.
          const selection = getSelection();
          if (kept) selection.selectAllChildren(kept);
          button.textContent = kept && document.execCommand("copy") ? "Copied" : "Cannot copy here";
          selection.removeAllRanges();
        }
        setTimeout(() => { button.textContent = usual; }, 2000);
      });
    });
  }

  addEventListener("pageshow", (event) => {
    // Coming back: fields that were left out of an address are there again.
    $$("main form input, main form select").forEach((field) => { field.disabled = false; });
    if (event.persisted) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - freshAt > WITHOUT_STREAM) refresh();
  });

  function start() {
    setInterval(tick, 1000);
    dress();
    wake();
  }

  return { $, $$, NBSP, body, base, duration, fetched, dressers, swappers, show, busy, start };
})();
