// @ts-check
// The folder of a new session: models, agents and names differ from folder to folder, and follow the one chosen.

const folderMenu = /** @type {HTMLSelectElement|null} */ (composer?.querySelector("select[name='directory']") ?? null);
let folderAsked = "";

/** The menus of the chosen folder in place of those that are there; what was chosen stays where it can. @param {string} html */
const setMenus = (html) => {
  const menu = (/** @type {string} */ name) => {
    const found = composer?.elements.namedItem(name);
    return found instanceof HTMLSelectElement ? found : null;
  };
  const chosen = ["model", "agent"].map((name) => ({ name, value: menu(name)?.value }));
  applyAll([["s", "menus", html]]);
  for (const { name, value } of chosen) {
    const options = [...(menu(name)?.options ?? [])];
    const wanted = options.find((option) => option.value === value) ?? options.find((option) => option.defaultSelected);
    if (wanted) wanted.selected = true;
  }
};

const followFolder = async () => {
  const folder = folderMenu?.value;
  const menus = byId("menus");
  if (!folder || !menus || menus.dataset.folder === folder || folderAsked) return;
  folderAsked = folder;
  try {
    const answer = await fetch(`/chat/new/menus?${new URLSearchParams({ directory: folder })}`);
    if (answer.status === 401) return location.reload();
    // The last one chosen counts; its menus are asked for below.
    if (answer.ok && folderMenu?.value === folder) setMenus(await answer.text());
  } catch {
    // Until the next choice the menus are those of the other folder: the session can be begun all the same.
  } finally {
    folderAsked = "";
  }
  if (folderMenu?.value !== folder) followFolder();
};

folderMenu?.addEventListener("change", followFolder);
// The page's own menus, which may come later, are those of the first folder.
if (folderMenu) afterPatch.push((roots) => roots.some((root) => root.id === "menus") && followFolder());
followFolder();
