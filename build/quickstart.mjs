// npm run quickstart: builds the tools and runs the quickstart in a throwaway copy of this machine: an overlay of / in its
// own mount namespace, which ends with this process. Missing packages (a compiler, OpenSSH) are installed in the copy.
// `-- --record FILE` also writes the output as an animated SVG; `-- --color=never` turns off colours. Plain JavaScript
// for Node.js, since Bun may have to be installed first.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "./needs.mjs";
import { enterRoot, main, mountCopy, must, privateMounts } from "./root.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bun = join(root, "node_modules/.bin/bun");

function outside(options) {
  must(process.execPath, [join(root, "build/setup.mjs"), "quickstart", "--modules-only"]);
  const copy = mkdtempSync(join(tmpdir(), "jailkit-quickstart-"));
  try {
    must("unshare", privateMounts(fileURLToPath(import.meta.url), ["inside", copy, ...options]));
  } finally {
    // The mounts ended with their namespace, and left an empty directory.
    rmSync(copy, { recursive: true, force: true });
  }
}

function inside(copy, options) {
  const newRoot = mountCopy(copy);
  must("mount", ["-t", "tmpfs", "tmpfs", join(newRoot, "tmp")]);
  // An overlay of / does not contain other mounts, and the checkout may be on one.
  mkdirSync(join(newRoot, root), { recursive: true });
  must("mount", ["--bind", root, join(newRoot, root)]);
  enterRoot(newRoot);
  must(process.execPath, [join(root, "build/setup.mjs"), "quickstart"]);
  must(bun, [join(root, "build/compile.ts")]);
  must(bun, [join(root, "build/quickstart.ts"), ...options], { cwd: root });
}

const [stage, ...words] = process.argv.slice(2);
main(() => {
  if (stage === "inside") return inside(words[0], words.slice(1));
  const given = process.argv.slice(2);
  const left = given.filter((word) => !/^--color=(auto|always|never)$/.test(word));
  if (left.length > 0 && (left[0] !== "--record" || left.length !== 2))
    fail(
      "quickstart: options: --record FILE (below the checkout), --color=auto, --color=always, --color=never",
    );
  return outside(given);
});
