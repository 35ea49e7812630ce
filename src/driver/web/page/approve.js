"use strict";
function over(text) { show(""); tell(text); }

async function approve() {
  const number = at("number").value.trim();
  if (!/^[0-9]{2}$/.test(number)) { tell(texts.digits_lacking); at("number").focus(); return; }
  tell("");
  const begun = await ask("begin", {});
  if (begun.state !== "open") { return failed(begun.state); }
  let made;
  try {
    made = await navigator.credentials.get({ publicKey: {
      challenge: decode(begun.challenge), rpId: begun.host, allowCredentials: named(begun.passkeys),
      userVerification: "required", timeout: 60000
    } });
  } catch (error) { return tell(texts.not_used); }
  const said = made.response;
  const told = await ask("finish", {
    number, id: made.id, client_data: encode(said.clientDataJSON),
    authenticator_data: encode(said.authenticatorData), signature: encode(said.signature),
    user: said.userHandle ? encode(said.userHandle) : null
  });
  if (told.state !== "approved") { return failed(told.state); }
  show("done");
  at("digits").textContent = told.digits;
  at("digits").setAttribute("aria-label", told.digits.split("").join(" "));
  tell("");
}

function failed(state) {
  switch (state) {
    case "wrong_number": return over(texts.wrong_number);
    case "gone": return over(texts.gone);
    case "refused": return tell(texts.refused);
    case "busy": return tell(texts.busy);
    default: return tell(texts.failed);
  }
}

async function deny() {
  const told = await ask("deny", {});
  if (told.state === "denied") { return over(texts.denied); }
  show("ask");
  failed(told.state);
}

async function begin() {
  const seen = await ask("look", {});
  if (seen.state !== "open") { return failed(seen.state); }
  speak(seen.language);
  show("ask");
  if (!window.PublicKeyCredential) { at("approve").disabled = true; tell(texts.no_passkeys); }
  at("number").focus();
}

once(at("form"), "submit", approve);
once(at("deny-yes"), "click", deny);
at("deny").addEventListener("click", () => { tell(""); show("sure"); at("deny-yes").focus(); });
at("deny-back").addEventListener("click", () => { show("ask"); at("number").focus(); });
begin();
