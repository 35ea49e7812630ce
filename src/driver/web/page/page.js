"use strict";
// What both pages share: the link's token, the language, what is asked of the engine.
const TOKEN = location.hash.slice(1);
let texts = TEXTS.en;
const at = (id) => document.getElementById(id);

function speak(language) {
  const wanted = (language || navigator.language || "en").toLowerCase();
  const spanish = wanted.startsWith("es");
  texts = spanish ? TEXTS.es : TEXTS.en;
  document.documentElement.lang = spanish ? "es-ES" : "en-GB";
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts[element.dataset.text];
  }
}

function tell(text) {
  at("told").textContent = text;
  if (text) { at("told").focus(); }
}

function show(id) {
  for (const section of document.querySelectorAll("section")) { section.hidden = section.id !== id; }
}

async function ask(what, given) {
  const path = location.pathname.split("/")[1];
  let reply;
  try {
    reply = await fetch("/" + path + "/" + what, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: TOKEN, ...given }),
      cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer"
    });
  } catch (error) { return { state: "failed" }; }
  if (reply.status === 429 || reply.status === 503) { return { state: "busy" }; }
  if (!reply.ok) { return { state: "failed" }; }
  return reply.json();
}

// base64url, as Web Authentication writes it.
function encode(buffer) {
  const text = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function decode(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

function named(ids) {
  return ids.map((id) => ({ type: "public-key", id: decode(id) }));
}

// One thing at a time: a button that was pressed waits for its end.
function once(element, event, work) {
  let running = false;
  element.addEventListener(event, async (fired) => {
    fired.preventDefault();
    if (running) { return; }
    running = true;
    element.setAttribute("aria-busy", "true");
    try { await work(); } finally { running = false; element.removeAttribute("aria-busy"); }
  });
}

speak("");
