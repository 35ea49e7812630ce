"use strict";
function over(text) { show(""); tell(text); }

function failed(told) {
  switch (told.state) {
    case "wrong": return tell(texts.enrol_wrong + " " + told.left);
    case "gone": return over(texts.enrol_gone);
    case "refused": show("ask"); return tell(texts.enrol_refused);
    case "busy": return tell(texts.busy);
    default: return tell(texts.failed);
  }
}

async function start() {
  const code = at("code").value.trim();
  if (!/^[0-9]{6}$/.test(code)) { tell(texts.enrol_lacking); at("code").focus(); return; }
  tell("");
  const begun = await ask("begin", { code });
  if (begun.state === "passkey") { return passkey(begun); }
  if (begun.state === "authenticator") { return authenticator(begun); }
  failed(begun);
}

async function passkey(begun) {
  if (!window.PublicKeyCredential) { return tell(texts.no_passkeys); }
  let made;
  try {
    made = await navigator.credentials.create({ publicKey: {
      challenge: decode(begun.challenge), rp: { id: begun.host, name: begun.host },
      user: { id: decode(begun.user), name: begun.host, displayName: begun.host },
      pubKeyCredParams: begun.algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: named(begun.passkeys), attestation: "none", timeout: 120000,
      authenticatorSelection: { residentKey: "preferred", userVerification: "required" }
    } });
  } catch (error) { return tell(texts.not_used); }
  const told = await ask("finish", {
    id: made.id, client_data: encode(made.response.clientDataJSON), attestation: encode(made.response.attestationObject)
  });
  if (told.state === "done") { return over(texts.enrolled); }
  failed(told);
}

function authenticator(begun) {
  const space = "http://www.w3.org/2000/svg";
  const size = begun.picture.length;
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "-4 -4 " + (size + 8) + " " + (size + 8));
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR");
  const path = document.createElementNS(space, "path");
  let dark = "";
  begun.picture.forEach((row, y) => [...row].forEach((cell, x) => { if (cell === "1") { dark += "M" + x + " " + y + "h1v1h-1z"; } }));
  path.setAttribute("d", dark);
  svg.append(path);
  at("picture").replaceChildren(svg);
  at("key").textContent = begun.key;
  at("open").href = begun.uri;
  show("app");
  at("first-code").focus();
}

async function finish() {
  const told = await ask("finish_code", { code: at("first-code").value.trim() });
  if (told.state === "done") { return over(texts.enrolled); }
  if (told.state === "refused") { return tell(texts.enrol_refused_code); }
  failed(told);
}

async function begin() {
  const seen = await ask("look", {});
  if (seen.state !== "open") { return failed(seen); }
  speak(seen.language);
  at("what").textContent = seen.factor === "push" ? texts.enrol_push : texts.enrol_totp;
  show("ask");
  at("code").focus();
}

once(at("form"), "submit", start);
once(at("first"), "submit", finish);
begin();
