// @ts-check
// The folder of a new session: models and agents differ from folder to folder, and their menus follow the one chosen.

const folderMenu = /** @type {HTMLSelectElement|null} */ (document.querySelector("#composer select[name=directory]"));

const followFolder = async () => {
  const folder = folderMenu?.value, menus = byId("menus");
  if (!folder || !menus || menus.dataset.folder === folder) return;
  menus.dataset.folder = folder;
  const answer = await fetch(`/chat/new/menus?${new URLSearchParams({ directory: folder })}`).catch(() => null);
  const html = answer?.ok && (await answer.text());
  // Of several that were chosen the last one counts.
  if (!html || folderMenu.value !== folder) return;
  const chosen = [...menus.querySelectorAll("select")].map(({ value }) => value);
  applyAll([["s", "menus", html]]);
  // What was chosen stays where it can.
  for (const { options } of menus.querySelectorAll("select")) {
    const all = [...options];
    const wanted = all.find(({ value }) => chosen.includes(value)) ?? all.find((option) => option.defaultSelected);
    if (wanted) wanted.selected = true;
  }
};

if (folderMenu) {
  folderMenu.addEventListener("change", followFolder);
  // The page's own menus, which may come later, are those of the first folder.
  afterPatch.push(followFolder);
  followFolder();
}
