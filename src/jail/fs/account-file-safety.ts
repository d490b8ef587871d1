import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_ISVTX } from "../../../ffi/constants.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { inWords } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { aclAt } from "../../system/acl.ts";
import { COPY_ANEW, copyAnew, toleratesGroup } from "../../system/exchange.ts";
import { freeName } from "../../system/free-name.ts";
import type { Finding } from "./finding.ts";
import { isIn, lookUp } from "./look.ts";
import { hostPath, isRegular, type JailRoot, withDirectory } from "./walk.ts";
import { finding, parentFindings } from "./write-findings.ts";

const PASSWD = "/etc/passwd";
const GROUP = "/etc/group";

const isTrusted = (root: JailRoot, directory: ByteString): boolean =>
  withDirectory(root, directory, ({ trusted }) => trusted);

/**
 * The account files decide who somebody is in the jail, and which shell runs: only root may write them, or exchange them where a
 * symbolic link leads elsewhere. Group 0 may write them, as a directory above the jail.
 */
export const accountFileFindings = (root: JailRoot): Finding[] =>
  [PASSWD, GROUP].flatMap((file) => findingsOf(root, file));

function findingsOf(root: JailRoot, link: ByteString): Finding[] {
  // What cannot be looked at is told where it is read.
  const found = answered(() => lookUp(root, link, { follow: true }));
  if (found === undefined || !isRegular(found.stat)) return [];
  const path = hostPath(root, found.canonicalPath);
  // Of a file, the sticky bit means nothing.
  const stat = { ...found.stat, mode: found.stat.mode & ~S_ISVTX };
  const findings = parentFindings({ path, stat, acl: toleratesGroup(stat) ? aclAt(AT_FDCWD, path) : "none" });
  const above = directoryOf(found.canonicalPath);
  if (above === "/etc" || isTrusted(root, above))
    return findings.map((one) => ({
      ...one,
      advice: copyAnew(path, stat) ?? inWords(COPY_ANEW),
      isFile: true,
    }));
  const aside = freeName(hostPath(root, link), ".old", isIn(root));
  const where = `leads to ${display(path)}, in a directory that users can write`;
  const led = finding(hostPath(root, link), "link-through-untrusted", where, "mv -nT");
  return [{ ...led, advice: `mv -nT ${shellWord(hostPath(root, link))} ${shellWord(aside)}` }];
}
