import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS, S_ISVTX } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, isReported } from "../../cli/error.ts";
import { inWords } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { aclAt } from "../../system/acl.ts";
import { COPY_ANEW, copyAnew, toleratesGroup } from "../../system/exchange.ts";
import { freeName } from "../../system/free-name.ts";
import type { Finding } from "./finding.ts";
import { isIn, lookUp, readJailLink } from "./look.ts";
import { nearestDirectory } from "./nearest.ts";
import { hostPath, isLink, isRegular, type JailRoot, release } from "./walk.ts";
import { finding, parentFindings } from "./write-findings.ts";

const PASSWD = "/etc/passwd";
const GROUP = "/etc/group";

/** False also where users can exchange a directory on the way, or create a missing one. */
function isTrusted(root: JailRoot, directory: ByteString): boolean {
  try {
    const near = nearestDirectory(root, directory);
    release(near);
    return near.trusted;
  } catch (error) {
    if (!isReported(error)) throw error;
    // Who reads the file may not pass it either, and tells.
    return isErrno(error, "EACCES");
  }
}

/**
 * Where links of root's lead from an account file: the first path in a directory that users can write, whatever is there now, since
 * they may exchange it at any time. Undefined if there is none.
 */
function untrustedPlace(root: JailRoot, link: ByteString): ByteString | undefined {
  let path = link;
  for (let links = 0; links <= MOST_LINKS; links++) {
    const above = directoryOf(path);
    if (!(above === "/etc" || isTrusted(root, above))) return path;
    const found = answered(() => lookUp(root, path));
    if (found === undefined || !isLink(found.stat)) return undefined;
    const target = answered(() => readJailLink(root, path));
    if (target === undefined) return undefined;
    path = target.startsWith("/") ? target : `${directoryOf(found.canonicalPath)}/${target}`;
  }
  return undefined;
}

/**
 * The account files decide who somebody is in the jail, and which shell runs: only root may write them, or exchange them where a
 * symbolic link leads elsewhere. Group 0 may write them, as a directory above the jail.
 */
export const accountFileFindings = (root: JailRoot): Finding[] =>
  [PASSWD, GROUP].flatMap((file) => findingsOf(root, file));

function findingsOf(root: JailRoot, link: ByteString): Finding[] {
  // What cannot be looked at is told where it is read. Nearly always it is a file: one look is enough.
  const first = answered(() => lookUp(root, link));
  const isLed = first !== undefined && isLink(first.stat);
  const led = isLed ? untrustedPlace(root, link) : undefined;
  if (led !== undefined) {
    const [from, to] = [hostPath(root, link), hostPath(root, normalPath(led))];
    const aside = freeName(from, ".old", isIn(root));
    const where = `leads to ${display(to)}, in a directory that users can write`;
    const one = finding(from, "link-through-untrusted", where, "mv -nT");
    return [{ ...one, advice: `mv -nT ${shellWord(from)} ${shellWord(aside)}` }];
  }
  const found = isLed ? answered(() => lookUp(root, link, { follow: true })) : first;
  if (found === undefined || !isRegular(found.stat)) return [];
  const path = hostPath(root, found.canonicalPath);
  // Of a file, the sticky bit means nothing.
  const stat = { ...found.stat, mode: found.stat.mode & ~S_ISVTX };
  const findings = parentFindings({ path, stat, acl: toleratesGroup(stat) ? aclAt(AT_FDCWD, path) : "none" });
  return findings.map((one) => ({
    ...one,
    advice: copyAnew(path, stat) ?? inWords(COPY_ANEW),
    isFile: true,
  }));
}
