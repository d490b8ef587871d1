import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { withJailFile } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { jailkitVersionOf } from "../../known-programs/jailkit-version.ts";
import { isOwnMount, shellPlaces } from "../../update/plan/shell.ts";
import type { CheckFinding } from "../rules.ts";
import type { JailSettings } from "../settings.ts";

/** Limited shells in the jail: those of jailkit 2, and copies of this jailkit that nobody requested. */
export function ownShells(
  root: JailRoot,
  content: ManifestContent | undefined,
  settings: JailSettings,
): CheckFinding[] {
  return [...shellPlaces(root, []).values()].flatMap((place) => {
    const path = hostPath(root, place.path);
    const excluded = settings.everywhere(path) || settings.compare(path);
    return place.isLink || excluded || !isOwnMount(root, place) ? [] : findingOf(root, place.path, content);
  });
}

function findingOf(root: JailRoot, path: ByteString, content: ManifestContent | undefined): CheckFinding[] {
  const version = withJailFile(root, path, (fd, { stat }) => jailkitVersionOf(fd, stat.size), {
    follow: false,
  });
  if (version !== "jailkit-2" && version !== "jailkit-3") return [];
  if (version === "jailkit-3" && content?.requests.some((request) => asksForShell(request, path))) return [];
  const place = hostPath(root, path);
  const what =
    version === "jailkit-2" ? "the jk_lsh of jailkit 2" : "a copy of jailkit that nobody requested";
  const message = `${display(place)} is ${what}, and runs instead of the limited shell in jk_chrootsh`;
  const remedy: Remedy = `jk_update -j ${shellWord(root.path)}`;
  return [{ rule: "own-shell", path: place, jailPath: path, message, remedy }];
}

function asksForShell({ operands, options }: ManifestContent["requests"][number], path: ByteString): boolean {
  return operands.includes(path) || options["copy-shell"] === true;
}
