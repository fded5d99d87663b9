"use strict";
// Light and dark: as the system has it, until the switch says otherwise.
const Theme = (() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const watchers = [];
  let chosen = null;

  const isDark = () => (chosen === null ? system.matches : chosen === "dark");
  const apply = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Show light" : "Show dark");
    button.setAttribute("aria-pressed", String(dark));
    for (const watcher of watchers) watcher();
  };

  button.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    apply(isDark());
  });
  system.addEventListener("change", () => apply(isDark()));
  // paper is white
  window.addEventListener("beforeprint", () => apply(false));
  window.addEventListener("afterprint", () => apply(isDark()));
  apply(isDark());

  return {
    watch: (watcher) => watchers.push(watcher),
    colour: (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim(),
  };
})();
