"use strict";
// The page works without this. It keeps two things moving: the time left, and the browser's clock beside the server's.

// A message that came in the address is not to be told again by a reload.
if (location.search && document.querySelector(".notice")) history.replaceState(null, "", location.pathname);

const main = document.querySelector("[data-now]");
if (main) {
  const server = Number(main.dataset.now);
  const arrived = performance.getEntriesByType("navigation")[0]?.responseStart ?? 0;
  const skew = performance.timeOrigin + arrived - server;

  // Counted with the page's own stopwatch, so that a wrong browser clock changes nothing.
  const now = () => server + performance.now() - arrived;

  const words = (milliseconds) => {
    const s = Math.max(0, Math.floor(milliseconds / 1000));
    const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
    if (d) return `${d} d ${h} h`;
    if (h) return `${h} h ${m} min`;
    if (m) return `${m} min ${s % 60} s`;
    return `${s} s`;
  };
  const clock = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");

  const left = document.querySelectorAll("[data-until]");
  const tick = () => {
    for (const element of left) {
      const rest = Number(element.dataset.until) - now();
      element.textContent = rest > 0 ? words(rest) : "over";
    }
    document.getElementById("server-clock").textContent = clock(now());
    document.getElementById("browser-clock").textContent = clock(Date.now());
  };
  tick();
  setInterval(tick, 1000);

  const difference = document.getElementById("skew");
  if (Math.abs(skew) >= 5000) {
    difference.textContent = `Your browser's clock is ${words(Math.abs(skew))} ${skew > 0 ? "ahead of" : "behind"} the server's. ` +
      "The session does not mind: only the server's clock decides when it ends, and a cookie's lifetime is sent as Max-Age, never as a date.";
    difference.className = "warning";
  } else {
    difference.textContent = "The two clocks agree.";
  }
}
