import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { shellWord } from "../cli/shell-word.ts";
import { sameContent } from "../jail/compare.ts";
import { commandAt } from "../jail/exchange.ts";
import { lookUp, withJailFile } from "../jail/look.ts";
import { hostPath, type JailRoot } from "../jail/walk.ts";
import { type Make, makeOf } from "./make.ts";
import type { ReportStep } from "./report.ts";
import { LIMITED_SHELL } from "./shell.ts";

/** The name of the step that tells of a limited shell in the jail. */
export const OWN_SHELL = "own-shell";

const INSTEAD = "runs in the place of the limited shell in jk_chrootsh";

/**
 * What is to be told of a file of the name of the limited shell at `path` of the jail (without links): what it would do
 * is not known from here. undefined where it is, byte by byte, the jk_lsh beside `chrootsh`, which does what that does.
 */
export function ownShellStep(root: JailRoot, path: ByteString, chrootsh: ByteString): ReportStep | undefined {
  const make = withJailFile(root, path, (fd, { stat }) => makeOf(fd, stat.size), { follow: false });
  const ours = `${chrootsh.slice(0, chrootsh.lastIndexOf("/"))}/${LIMITED_SHELL}`;
  const stat = make === "jailkit-3" ? lookUp(root, path)?.stat : undefined;
  const there = statIfPresent(AT_FDCWD, ours) !== undefined;
  if (stat !== undefined && there && sameContent(root, path, ours, stat)) return undefined;
  const place = hostPath(root, path);
  return {
    stage: LIMITED_SHELL,
    name: OWN_SHELL,
    outcome: "unknown",
    message: `${place} ${whatOf(make)}`,
    remedy:
      make === "jailkit-2" || make === "jailkit-3"
        ? `jk_update -j ${shellWord(root.path)}`
        : `if it is not to be there: ${commandAt(place, `mv -nT ${shellWord(place)} ${shellWord(`${place}.old`)}`)}`,
  };
}

function whatOf(make: Make | undefined): string {
  if (make === "jailkit-2") {
    const gap = "it takes any arguments, so that rsync -e PROGRAM starts a program that is not listed";
    return `is the jk_lsh of jailkit 2, and ${INSTEAD}: ${gap}; more cannot be told`;
  }
  if (make === "jailkit-3")
    return `is a copy of jailkit of another version, and ${INSTEAD}: what it allows cannot be told`;
  return `is not jailkit's, and ${INSTEAD}: what it does cannot be told`;
}
