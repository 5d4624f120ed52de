// @ts-check
// Passkeys: a form says where to ask what the browser is to prove or to make, and carries what came of it.

const Key = /** @type {any} */ (window).PublicKeyCredential;

// Shown where a browser has them; what says that it has none stands behind.
if (Key?.parseRequestOptionsFromJSON)
  for (const form of document.querySelectorAll("form[data-passkey]")) form.removeAttribute("hidden");

on("submit", "form[data-passkey]", async (element, event) => {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (element);
  try {
    const answer = await fetch(form.dataset.passkey ?? "", { method: "POST" });
    if (!answer.ok) return toast(await sentence(answer));
    const asked = await answer.json(), keys = navigator.credentials;
    const credential = await (asked.user
      ? keys.create({ publicKey: Key.parseCreationOptionsFromJSON(asked) })
      : keys.get({ publicKey: Key.parseRequestOptionsFromJSON(asked) }));
    form.credential.value = JSON.stringify(credential);
    form.submit();
  } catch {
    toast("No passkey came of that. Try again.");
  }
});
