// @ts-check
// Forms that answer without a new page, copy buttons, dialogs.

/**
 * The sentence in an answer that says no.
 * @param {Response} answer
 */
const sentence = async (answer) => {
  const text = await answer.text();
  try {
    const value = JSON.parse(text);
    return value.error?.message ?? value.message ?? text;
  } catch {
    return text && text.length < 400 && !text.startsWith("<") ? text : `The agent answered with an error (${answer.status}).`;
  }
};

/**
 * Posts a form as the browser would and stays on the page. Resolves to whether it was done.
 * @param {HTMLFormElement} form
 * @param {HTMLElement|null} [submitter]
 */
const post = async (form, submitter) => {
  if (form.ariaBusy === "true") return false;
  const sent = new FormData(form, submitter);
  const files = form.enctype === "multipart/form-data";
  form.ariaBusy = "true";
  const action = submitter?.getAttribute("formaction") ?? form.action;
  try {
    const answer = await fetch(action, {
      method: "POST",
      // Strings only: a form without files has nothing else.
      body: files ? sent : new URLSearchParams(/** @type {any} */ (sent)),
      headers: { accept: "application/json" },
      redirect: "manual",
    });
    if (answer.status === 401) location.reload();
    const done = answer.ok || answer.type === "opaqueredirect";
    if (done) {
      if (form.hasAttribute("data-reset")) form.reset();
      if (answer.headers.get("content-type")?.startsWith("application/json")) {
        const value = await answer.json();
        if (value?.message) toast(value.message);
        if (value?.location) location.assign(value.location);
      }
    } else toast(await sentence(answer));
    return done;
  } catch {
    toast("That did not reach the agent. Nothing was changed; try again when the connection is back.");
    return false;
  } finally {
    form.ariaBusy = null;
  }
};

on("submit", "form[data-inline]", (form, event) => {
  event.preventDefault();
  post(/** @type {HTMLFormElement} */ (form), event.submitter);
});

// Menus and switches marked `data-submit` send their form when they change.
on("change", "[data-submit]", (input) => /** @type {HTMLInputElement} */ (input).form?.requestSubmit());

on("click", "[data-copy], [data-copy-from]", async (button) => {
  const from = button.dataset.copyFrom;
  const text = button.dataset.copy ?? (from ? button.closest("figure, article, div")?.querySelector(from)?.textContent : "") ?? "";
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return toast("The browser did not allow copying. Select the text and copy it by hand.");
  }
  if (button.dataset.done !== undefined) return;
  button.dataset.done = "";
  const shown = label !== button || !button.querySelector("svg");
  if (shown) label.textContent = "Copied";
  announce("Copied");
  setTimeout(() => {
    delete button.dataset.done;
    if (shown) label.textContent = before;
  }, 1600);
});

on("click", "[data-wrap]", (button) => {
  const wrapped = button.closest("figure")?.classList.toggle("wrapped") ?? false;
  button.ariaPressed = String(wrapped);
});

on("click", "[data-dialog]", (button) => {
  const dialog = byId(button.dataset.dialog ?? "");
  if (dialog instanceof HTMLDialogElement) dialog.showModal();
});

on("click", "dialog", (dialog, event) => {
  // A click on the backdrop is a click on the dialog itself.
  if (dialog === event.target && dialog instanceof HTMLDialogElement) dialog.close();
});

// Only a page may ask whether this device wants to be told; the worker does the rest, and comes back with a new page.
on("click", "[data-push]", async (button) => {
  await window.Notification?.requestPermission();
  const worker = (await navigator.serviceWorker?.ready)?.active;
  if (worker) worker.postMessage(button.dataset.push);
  else location.assign("?problem=unable");
});
