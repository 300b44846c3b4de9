// Keeps a page of Sluse up to date: asks for the same page again and again, and puts in what has changed. Without it the
// page says the same, as of when it was loaded.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const words = document.currentScript.dataset;
  const lost = document.getElementById("lost");
  let tag = null;
  let seen = document.querySelector("#as-of time")?.textContent ?? "";

  const withCopyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const command of root.querySelectorAll(".command")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words.copy;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.querySelector("code").textContent);
        button.textContent = words.copied;
        setTimeout(() => (button.textContent = words.copy), 2000);
      });
      command.append(button);
    }
  };

  const isSelecting = (element) => {
    const selection = document.getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  };

  // The parts as the server sent them, without what was added here.
  const sent = new Map();
  const live = (root) => root.querySelectorAll("[data-live]");
  for (const part of live(document)) sent.set(part.id, part.outerHTML);

  const take = (fresh) => {
    const heading = document.querySelector("h1")?.textContent;
    for (const part of live(fresh)) {
      const old = document.getElementById(part.id);
      const html = part.outerHTML;
      // What a person is just selecting is not taken away.
      if (!old || sent.get(part.id) === html || isSelecting(old)) continue;
      sent.set(part.id, html);
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const place = focused && [...old.querySelectorAll("a, button")].indexOf(focused);
      const next = document.importNode(part, true);
      withCopyButtons(next);
      old.replaceWith(next);
      if (focused) {
        const again = focused.id ? document.getElementById(focused.id) : next.querySelectorAll("a, button")[place];
        again?.focus({ preventScroll: true });
      }
    }
    document.getElementById("as-of").innerHTML = fresh.getElementById("as-of").innerHTML;
    document.title = fresh.title;
    const now = document.querySelector("h1")?.textContent;
    if (now && now !== heading) document.getElementById("announce").textContent = now;
  };

  const look = async () => {
    if (document.hidden) return;
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(location.pathname, { headers, cache: "no-store", signal: AbortSignal.timeout(15000) });
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status);
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      tag = answer.headers.get("ETag");
    }
    seen = document.querySelector("#as-of time")?.textContent ?? seen;
    lost.hidden = true;
  };

  const lookAgain = async () => {
    try {
      await look();
    } catch {
      lost.textContent = words.lost.replace("{}", seen);
      lost.hidden = false;
    }
    setTimeout(lookAgain, EVERY_MS);
  };

  addEventListener("DOMContentLoaded", () => {
    if (!document.querySelector("#as-of time")) return;
    withCopyButtons(document);
    document.querySelector(".if-live").hidden = false;
    document.documentElement.classList.add("live");
    setTimeout(lookAgain, EVERY_MS);
  });
})();
