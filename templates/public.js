// The page for outsiders works without this, and is loaded anew by itself then. With it, what has changed is put in place.
(() => {
  "use strict";
  setInterval(async () => {
    if (document.hidden || !getSelection().isCollapsed) return;
    try {
      const answer = await fetch(location.href);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = next.querySelector("main");
      if (!answer.ok || !main) return;
      document.querySelector("main").replaceWith(main);
      document.title = next.title;
    } catch { /* In a minute, then. */ }
  }, 60000);
})();
