// Charts: exact values by pointer and by keyboard, a closer look by dragging and by Enter.
(() => {
  "use strict";
  if (!page) return;
  const { $, $$, NBSP, body, base, duration, fetched, dressers } = page;

  const HINT = "Arrow keys step through it, Page keys by ten, Enter looks closer.";
  const FAR = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

  const zone = () => (body.dataset.zone ? { timeZone: body.dataset.zone } : {});
  const clock = (ms, exact) => {
    const parts = { ...zone(), weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
    if (exact) parts.fractionalSecondDigits = 3;
    return new Date(ms).toLocaleString("en-GB", parts);
  };
  const took = (ms) => (ms === null || ms === undefined ? "–" : ms < 9.95 ? ms.toFixed(1) + NBSP + "ms" : Math.round(ms) + NBSP + "ms");

  // ---- The steps of a chart: the time that each speaks for, where the cursor stands, what is said
  const ask = (chart, what, more) => {
    const iso = (ms) => new Date(Number(ms)).toISOString();
    const service = encodeURIComponent(chart.dataset.service);
    const range = `from=${iso(chart.dataset.from)}&to=${iso(chart.dataset.to)}`;
    return fetched(`${base}/api/v1/services/${service}/${what}?${range}&${more}`);
  };

  function ofCheck(check) {
    const at = Date.parse(check.at);
    const said = check.failure?.message ?? check.note?.message ?? (check.http_status ? `HTTP ${check.http_status}` : "");
    return { from: at, at, text: `${clock(at, true)}: ${check.outcome}, ${took(check.response_time_ms)}${said ? ", " + said : ""}` };
  }

  function ofBucket(bucket, size) {
    const from = Date.parse(bucket.from);
    const words = [`${clock(from)}: p50 ${took(bucket.p50_ms)}, p95 ${took(bucket.p95_ms)}, slowest ${took(bucket.max_ms)}`];
    const kinds = [["down", bucket.down_ms], ["degraded", bucket.degraded_ms], ["maintenance", bucket.maintenance_ms], ["not observed", bucket.gap_ms]];
    for (const [word, ms] of kinds) if (ms) words.push(`${word} ${duration(ms, 2)}`);
    return { from, at: from + size / 2, text: words.join(", ") };
  }

  async function load(chart) {
    let steps;
    if (chart.dataset.chart === "checks") {
      // What is not drawn is not said: a page of the past does not know a check that was under way.
      const drawn = new Set($$("[data-at]", chart).map((mark) => Number(mark.dataset.at)));
      const checks = (await ask(chart, "checks", "limit=1000"))?.items ?? [];
      steps = checks.map(ofCheck).filter((step) => drawn.has(step.at)).reverse();
    } else {
      const history = await ask(chart, "history", "buckets=336");
      steps = history?.buckets.map((bucket) => ofBucket(bucket, history.bucket_ms)) ?? [];
    }
    for (const note of $$("[data-note]", chart)) {
      const at = Number(note.dataset.note);
      const step = steps.findLast((one) => one.from <= at);
      if (step) step.text += `; ${note.dataset.said}`;
    }
    return steps;
  }

  const nearest = (steps, ms) => steps.reduce((best, step, i) => (Math.abs(step.at - ms) < Math.abs(steps[best].at - ms) ? i : best), 0);

  // ---- What is looked at. A page that renews itself goes on with it: a pointer that rests sends nothing by itself.
  let looked = null;

  function forget() {
    looked?.end();
    looked = null;
  }
  document.addEventListener("pointerover", (event) => {
    if (looked?.by === "pointer" && event.pointerType === "mouse" && !looked.chart.contains(event.target)) forget();
  });

  const share = (chart, event) => {
    const box = chart.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const moment = (chart, part) => Number(chart.dataset.from) + part * (Number(chart.dataset.to) - Number(chart.dataset.from));

  function closer(chart, from, to) {
    const address = new URL(`${location.origin}${base}/dashboard/services/${encodeURIComponent(chart.dataset.service)}`);
    for (const name of ["tz", "at"]) {
      const value = new URL(location.href).searchParams.get(name);
      if (value) address.searchParams.set(name, value);
    }
    address.searchParams.set("from", new Date(from).toISOString());
    address.searchParams.set("to", new Date(to).toISOString());
    location.assign(address);
  }

  function chartOf(chart, number) {
    const name = `${number} ${chart.dataset.chart} ${chart.dataset.service}`;
    const readout = chart.closest("section, figure, .split")?.querySelector("[data-readout]");
    const usual = readout?.textContent;
    const cursor = $("[data-cursor]", chart);
    let loading = null;
    let last = 0;

    // The same promise for all that ask; a failed one is tried again.
    const steps = () => {
      loading ??= load(chart).then((found) => {
        if (!found.length) loading = null;
        return found;
      });
      return loading;
    };

    function show(x, text) {
      cursor?.setAttribute("x1", x);
      cursor?.setAttribute("x2", x);
      cursor?.setAttribute("visibility", "visible");
      if (readout) readout.textContent = text;
    }

    function end() {
      last += 1;
      cursor?.setAttribute("visibility", "hidden");
      if (readout) readout.textContent = usual;
    }

    // `choose` finds the place among the steps.
    async function look(by, part, choose) {
      const mine = ++last;
      looked = { ...looked, name, chart, by, part, end };
      const all = await steps();
      if (mine !== last || !all.length) return;
      const place = choose(all);
      const { at, text } = all[place];
      const x = `${(100 * (at - Number(chart.dataset.from))) / (Number(chart.dataset.to) - Number(chart.dataset.from))}%`;
      looked = { name, chart, by, part, at, x, text, end };
      show(x, text);
      if (by === "keys") {
        // A slider's value is read aloud when it changes, and what it was before is not read to its end.
        chart.setAttribute("aria-valuemax", String(all.length - 1));
        chart.setAttribute("aria-valuenow", String(place));
        chart.setAttribute("aria-valuetext", text);
      }
    }
    // A sign below the chart is wider than the moment that it stands for: that is what is meant.
    const lookBy = (part, sign) => look("pointer", part, (all) => {
      const meant = sign ? all.findLastIndex((step) => step.from <= Number(sign.dataset.note)) : -1;
      return meant < 0 ? nearest(all, moment(chart, part)) : meant;
    });

    // ---- By keyboard
    chart.id ||= `chart-${number}`;
    chart.removeAttribute("aria-hidden");
    for (const [attribute, value] of [
      ["focusable", "true"], ["tabindex", "0"], ["role", "slider"], ["aria-label", `Checks of ${chart.dataset.service} over time`],
      ["aria-valuemin", "0"], ["aria-valuemax", "1"], ["aria-valuenow", "1"], ["aria-valuetext", HINT],
    ]) chart.setAttribute(attribute, value);

    function zoom() {
      const [from, to] = [Number(chart.dataset.from), Number(chart.dataset.to)];
      const length = (to - from) / 6;
      if (looked?.at === undefined || length < 2000) return;
      const begin = Math.min(Math.max(looked.at - length / 2, from), to - length);
      // Who looks closer by Enter goes on by keys.
      sessionStorage.setItem("chart-focus", "1");
      closer(chart, begin, begin + length);
    }

    chart.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const far = FAR[event.key];
      if (far !== undefined) {
        const was = looked?.name === name ? looked.at : undefined;
        look("keys", null, (all) => {
          const before = looked?.at ?? was;
          const place = before === undefined ? (far < 0 ? all.length : -1) : nearest(all, before);
          return far === -Infinity ? 0 : far === Infinity ? all.length - 1 : Math.min(all.length - 1, Math.max(0, place + far));
        });
      } else if (event.key === "Enter" && "zoom" in chart.dataset) zoom();
      else if (event.key === "Escape" && looked) forget();
      else return;
      event.preventDefault();
    });
    chart.addEventListener("focus", () => { if (readout && looked?.name !== name) readout.textContent = HINT; });
    // A moment later: a page that renews itself takes the focus away and gives it back.
    chart.addEventListener("blur", () => setTimeout(() => {
      if (!chart.isConnected || document.activeElement === chart || looked?.by === "pointer") return;
      looked = null;
      end();
    }));

    // ---- By pointer
    const selection = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    selection.setAttribute("class", "selection");
    selection.setAttribute("y", chart.dataset.top);
    selection.setAttribute("height", String(Number(chart.dataset.bottom) - Number(chart.dataset.top)));
    selection.setAttribute("visibility", "hidden");
    chart.append(selection);
    let start = null;
    chart.addEventListener("pointermove", (event) => {
      const part = share(chart, event);
      if (start !== null) {
        selection.setAttribute("x", `${100 * Math.min(start, part)}%`);
        selection.setAttribute("width", `${100 * Math.abs(part - start)}%`);
        selection.setAttribute("visibility", "visible");
      } else if (event.pointerType === "mouse") lookBy(part, event.target.closest(".note-mark")?.querySelector("[data-note]"));
    });
    chart.addEventListener("pointerleave", () => {
      if (looked?.chart === chart && looked.by === "pointer" && start === null) forget();
    });
    if ("zoom" in chart.dataset) {
      chart.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || event.pointerType === "touch") return;
        event.preventDefault();
        start = share(chart, event);
        chart.setPointerCapture(event.pointerId);
      });
      const release = (event) => {
        if (start === null) return;
        const [a, b] = [start, share(chart, event)].sort((x, y) => x - y);
        start = null;
        selection.setAttribute("visibility", "hidden");
        const [from, to] = [moment(chart, a), moment(chart, b)];
        // A click is no drag, and less than two seconds show nothing.
        if (event.type === "pointercancel" || b - a < 0.005 || to - from < 2000) return;
        closer(chart, from, to);
      };
      chart.addEventListener("pointerup", release);
      chart.addEventListener("pointercancel", release);
    }

    if (looked?.name === name) {
      // The words that were there stay until there are new ones.
      const { by, part, at, x, text } = looked;
      looked = { ...looked, chart, end };
      if (text) show(x, text);
      if (by === "keys") look(by, null, (all) => nearest(all, at));
      else lookBy(part);
    }
  }

  dressers.push(() => {
    $$("svg[data-service]").forEach(chartOf);
    if (sessionStorage.getItem("chart-focus")) {
      sessionStorage.removeItem("chart-focus");
      $("svg[data-zoom]")?.focus();
    }
  });
})();
