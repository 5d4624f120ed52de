// @ts-check
// The chat composer: Enter sends, drafts are kept, files become chips, names are completed.

const DRAFT_PAUSE_MS = 400;
const FILES_MAX = 8;
const FILES_BYTES_MAX = 7 * 1024 * 1024;
const SENT_MAX = 50;

/** @typedef {{ name: string, mime: string, url: string, size: number }} Attached */

const composer = /** @type {HTMLFormElement|null} */ (byId("composer"));
const words = /** @type {HTMLTextAreaElement|null} */ (byId("words"));

if (composer && words) {
  const key = composer.dataset.composer ?? "new";
  /** @type {Attached[]} */
  let files = [];
  let draftTimer = 0, sending = false, back = -1, kept = words.value;
  // What was sent last without an answer, and the number it went under.
  let tried = "", nonce = "";

  // Drafts. The last words typed here win over what the server kept.
  const local = `nexus.draft.${key}`;
  const typed = sessionStorage.getItem(local);
  if (typed !== null && typed !== words.value) words.value = typed;

  const keepDraft = () => {
    clearTimeout(draftTimer);
    sessionStorage.setItem(local, words.value);
    if (words.value === kept) return;
    const text = words.value;
    fetch("/chat/drafts", { method: "POST", body: new URLSearchParams({ key, text }), keepalive: text.length < 60000 })
      .then((answer) => { if (answer.ok) kept = text; }, () => {});
  };
  const typing = () => {
    sessionStorage.setItem(local, words.value);
    clearTimeout(draftTimer);
    draftTimer = setTimeout(keepDraft, DRAFT_PAUSE_MS);
    fit();
    complete();
  };

  /** Browsers without `field-sizing` get the height from the content. */
  const fit = () => {
    if (!CSS.supports("field-sizing", "content")) {
      words.style.height = "auto";
      words.style.height = `${words.scrollHeight}px`;
    }
  };

  /** What was sent, newest last, for the arrow keys. @returns {string[]} */
  const sent = () => JSON.parse(localStorage.getItem("nexus.sent") ?? "[]");
  const remember = (/** @type {string} */ text) => {
    const list = sent().filter((old) => old !== text);
    list.push(text);
    localStorage.setItem("nexus.sent", JSON.stringify(list.slice(-SENT_MAX)));
  };

  const showFiles = () => {
    const chips = byId("chips");
    if (!chips) return;
    chips.replaceChildren(...files.map((file, index) => {
      const chip = make("span", "chip");
      chip.role = "listitem";
      if (/^image\/(png|jpeg|gif|webp)$/.test(file.mime)) {
        const image = make("img", "");
        image.src = file.url;
        image.alt = "";
        chip.append(image);
      }
      chip.append(make("span", "", file.name));
      const remove = make("button", "", "×");
      remove.type = "button";
      remove.ariaLabel = `Remove ${file.name}`;
      remove.addEventListener("click", () => {
        files.splice(index, 1);
        showFiles();
        words.focus();
      });
      chip.append(remove);
      return chip;
    }));
    chips.hidden = !files.length;
    words.required = !files.length;
  };

  /** @param {Iterable<File>} chosen */
  const attach = async (chosen) => {
    for (const file of chosen) {
      if (files.length >= FILES_MAX) return toast(`A message takes at most ${FILES_MAX} files.`);
      const total = files.reduce((sum, one) => sum + one.size, file.size);
      if (total > FILES_BYTES_MAX) return toast(`${file.name} is too large: files may have 7 MiB together.`);
      const url = await new Promise((done, failed) => {
        const reader = new FileReader();
        reader.onload = () => done(/** @type {string} */ (reader.result));
        reader.onerror = () => failed(reader.error);
        reader.readAsDataURL(file);
      }).catch(() => toast(`${file.name} could not be read.`));
      if (url) files.push({ name: file.name, mime: file.type || "text/plain", url, size: file.size });
    }
    showFiles();
  };

  const send = async () => {
    const text = words.value;
    if (sending || (!text.trim() && !files.length)) return;
    sending = true;
    composer.ariaBusy = "true";
    const data = new FormData(composer);
    const field = (/** @type {string} */ name) => String(data.get(name) ?? "");
    const content = { text, directory: field("directory"), files: files.map(({ name, mime, url }) => ({ name, mime, url })) };
    const meant = JSON.stringify(content);
    // The same nonce goes with the next try of the same content, so that nothing is sent twice and nothing is swallowed.
    // Model and agent do not count: their menus follow the session by themselves.
    if (meant !== tried) nonce = crypto.getRandomValues(new Uint32Array(4)).join("-");
    tried = meant;
    try {
      const answer = await fetch(composer.action, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ nonce, model: field("model"), agent: field("agent"), ...content }),
      });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) return toast(await sentence(answer));
      remember(text);
      tried = "";
      files = [];
      back = -1;
      kept = "";
      clearTimeout(draftTimer);
      sessionStorage.removeItem(local);
      // What was typed meanwhile stays.
      words.value = words.value === text ? "" : words.value.slice(words.value.startsWith(text) ? text.length : 0);
      showFiles();
      fit();
      const log = byId("log");
      if (log) toEnd(log);
      if (answer.status !== 204) {
        const value = await answer.json();
        if (value.location) location.assign(value.location);
      }
    } catch {
      toast("That did not reach the agent. Your text is kept; send it again when the connection is back.");
    } finally {
      sending = false;
      composer.ariaBusy = null;
    }
  };

  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  words.addEventListener("input", typing);
  addEventListener("pagehide", keepDraft);

  words.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (pick(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      return void send();
    }
    const list = sent();
    const recalls = back >= 0 && words.value === list[list.length - 1 - back];
    if (event.key === "ArrowUp" && (!words.value || recalls) && back + 1 < list.length) back++;
    else if (event.key === "ArrowDown" && recalls) back--;
    else return;
    event.preventDefault();
    words.value = (back < 0 ? "" : list[list.length - 1 - back]) ?? "";
    fit();
  });

  // Files: chosen, pasted, dropped.
  const chooser = byId("files");
  if (chooser instanceof HTMLInputElement) {
    chooser.addEventListener("change", () => {
      attach([...(chooser.files ?? [])]);
      chooser.value = "";
    });
  }
  words.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (!pasted.length) return;
    event.preventDefault();
    attach(pasted);
  });
  const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    composer.dataset.over = "";
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) delete composer.dataset.over;
  });
  addEventListener("drop", (event) => {
    delete composer.dataset.over;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    attach([...(event.dataTransfer?.files ?? [])]);
  });

  // Names: `@file` anywhere, `/command` at the start.
  const COMPLETE_PAUSE_MS = 120;
  let completeTimer = 0, chosen = 0;
  const box = make("ul", "");
  box.id = "completions";
  box.role = "listbox";
  box.ariaLabel = "Suggestions";
  box.hidden = true;
  words.before(box);
  words.setAttribute("aria-controls", box.id);

  const token = () => /(?:^|\s)(@)([^\s@]*)$|^(\/)([^\s/]*)$/.exec(words.value.slice(0, words.selectionStart));
  const close = () => {
    box.hidden = true;
    words.removeAttribute("aria-activedescendant");
  };
  const mark = (/** @type {number} */ index) => {
    chosen = index;
    [...box.children].forEach((item, at) => (item.ariaSelected = String(at === index)));
    const item = box.children[index];
    words.setAttribute("aria-activedescendant", item?.id ?? "");
    item?.scrollIntoView({ block: "nearest" });
  };
  const accept = (/** @type {number} */ index) => {
    const found = token();
    const name = box.children[index]?.firstChild?.textContent;
    if (!found || !name) return close();
    const at = words.selectionStart, query = found[2] ?? found[4] ?? "";
    words.setRangeText(`${name} `, at - query.length, at, "end");
    close();
    typing();
  };
  const complete = () => {
    clearTimeout(completeTimer);
    const found = token();
    if (!found || (found[1] && !found[2])) return close();
    completeTimer = setTimeout(async () => {
      const query = new URLSearchParams({ kind: found[1] ?? found[3] ?? "", q: found[2] ?? found[4] ?? "" });
      // A session has its folder; a new one is asked about in the folder that is chosen now.
      query.set("directory", String(new FormData(composer).get("directory") ?? ""));
      try {
        const answer = await fetch(`/chat/${key}/find?${query}`);
        /** @type {{ name: string, about: string }[]} */
        const names = answer.ok ? await answer.json() : [];
        if (!token() || !names.length) return close();
        box.replaceChildren(...names.map(({ name, about }, index) => {
          const item = make("li", "");
          item.id = `completion-${index}`;
          item.role = "option";
          item.append(make("code", "", name), make("span", "", about));
          item.addEventListener("pointerdown", (event) => {
            event.preventDefault();
            accept(index);
          });
          return item;
        }));
        box.hidden = false;
        mark(0);
      } catch {
        close();
      }
    }, COMPLETE_PAUSE_MS);
  };
  /** Keys of the list of names; true when the key was used. @param {KeyboardEvent} event */
  const pick = (event) => {
    if (box.hidden) return false;
    const count = box.childElementCount;
    if (event.key === "ArrowDown") mark((chosen + 1) % count);
    else if (event.key === "ArrowUp") mark((chosen + count - 1) % count);
    else if (event.key === "Enter" || event.key === "Tab") accept(chosen);
    else if (event.key === "Escape") close();
    else return false;
    event.stopPropagation();
    return true;
  };
  words.addEventListener("blur", close);
  fit();
}

// The list of sessions narrows while its search field is typed in.
on("input", "[data-filter]", (input) => {
  if (!(input instanceof HTMLInputElement)) return;
  const list = byId(input.dataset.filter ?? "");
  const wanted = input.value.trim().toLowerCase();
  for (const row of list?.children ?? []) {
    if (row instanceof HTMLElement) row.hidden = !(row.dataset.find ?? "").includes(wanted);
  }
  byId("sessions-none")?.toggleAttribute("hidden", !wanted || !!list?.querySelector("li:not([hidden])"));
});
