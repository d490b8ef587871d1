import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { memoized } from "../enter/gather.ts";
import type { NoLogin } from "../explain/no-login.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { createLoader } from "../libraries/closure.ts";
import { wasThere } from "../users/open-jail.ts";
import { nullDeviceFault } from "./null-device.ts";

/** A program that links to nothing but the C library, mostly. */
const PROGRAM = "/bin/sh";

/** What nearly all programs of this machine need to start: the dynamic loader and the C library. They are read once. */
const startFiles = memoized((): readonly ByteString[] => {
  const found = answered(() => {
    using loader = createLoader();
    return loader.dependencies(PROGRAM).map(({ path }) => path);
  });
  return found ?? [];
});

/**
 * Why programs of a jail do not start: the dynamic loader or the C library is gone, or empty. Undefined for a jail that has both, or
 * never had them by its record.
 */
function startFault(root: JailRoot): NoLogin | undefined {
  for (const path of startFiles()) {
    const found = lookUp(root, path, { follow: true });
    if (found !== undefined && !(isRegular(found.stat) && found.stat.size === 0)) continue;
    if (!wasThere(root, found?.canonicalPath ?? path)) continue;
    const what = found === undefined ? "is missing" : "is empty";
    const message = `${quoted(hostPath(root, path))} ${what}, without which programs do not start: no login works`;
    return { message, advice: `jk_update -j ${shellWord(root.path)}` };
  }
  return undefined;
}

/** What a jail has lost that programs need, as far as it can be looked at. */
export const lostFaults = (root: JailRoot): NoLogin[] =>
  [nullDeviceFault, startFault].flatMap((fault) => answered(() => fault(root)) ?? []);
