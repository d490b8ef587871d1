import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_ISVTX } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { findEntry, type IniSection } from "../config/model.ts";
import type { ManifestContent } from "../jail/manifest.ts";
import type { CheckFinding, Rule } from "./check-rules.ts";

/** What the remedy of a finding is worked out from. */
export interface RemedyContext {
  /** The jail's path on the host. */
  readonly jail: ByteString;
  /** Undefined for a jail without a record. */
  readonly content: ManifestContent | undefined;
  /** Its section of jk_check.ini. */
  readonly section: IniSection | undefined;
  /** The name of the account, of the jail or of the host, that has a uid. */
  readonly nameOf: (uid: number) => ByteString | undefined;
}

interface Case extends RemedyContext {
  readonly finding: CheckFinding;
  /** lstat(2) of what the finding is about, and of the directory that it stands in. */
  readonly stat: Stat | undefined;
  readonly above: Stat | undefined;
}

const directoryOf = (path: ByteString) => path.slice(0, path.lastIndexOf("/")) || "/";
const nameIn = (path: ByteString) => path.slice(path.lastIndexOf("/") + 1);

const fix = ({ jail }: Case) => `jk_check --fix ${shellWord(jail)}`;
const update = ({ jail }: Case) => `jk_update -j ${shellWord(jail)}`;
const copyPath = (jail: ByteString, path: ByteString) => `jk_cp -f -j ${shellWord(jail)} ${shellWord(path)}`;

/** Who may write the directory might exchange what stands in it: then the command runs with that one's rights alone. */
function safely({ above, nameOf }: Case, command: ByteString): ByteString | undefined {
  if (above === undefined) return undefined;
  if (above.uid === 0) return command;
  const name = nameOf(above.uid);
  return name === undefined ? undefined : `runuser -u ${shellWord(name)} -- ${command}`;
}

const chmod = (change: string) => (one: Case) =>
  safely(one, `chmod ${change} ${shellWord(one.finding.path)}`);

/** Out of the jail; nothing is lost. Where a user could exchange it for something of root's, it is only left out. */
function takeOut(one: Case): ByteString | undefined {
  const { finding, above } = one;
  if (above?.uid !== 0) return ignore("ignorepatheverywhere")(one);
  return `mv -nT ${shellWord(finding.path)} ${shellWord(`/root/${nameIn(finding.path)}`)}`;
}

/**
 * Where the host has the file, it is copied again; what the jail has for itself is named in jk_check.ini. What not everybody
 * may read on the host comes into a jail only where it was asked for.
 */
function copyOrIgnore(one: Case): ByteString | undefined {
  const { finding, jail, content } = one;
  const { jailPath = "/" } = finding;
  const entry = content?.entries.get(jailPath);
  const source = entry?.source ?? jailPath;
  const there = statIfPresent(AT_FDCWD, source);
  const secret = entry === undefined && there !== undefined && (there.mode & 0o004) === 0;
  if (there === undefined || secret) return ignore("ignorepathoncompare")(one);
  const copy = copyPath(jail, source === jailPath ? jailPath : source);
  const sameType = one.stat === undefined || (one.stat.mode & 0o170000) === (there.mode & 0o170000);
  if (sameType) return copy;
  // jk_cp puts no file in the place of a directory, nor the other way round.
  return `mv -nT ${shellWord(finding.path)} ${shellWord(`${jail}/not-${nameIn(jailPath)}`)} && ${copy}`;
}

/** The lines of jk_check.ini by which a finding is none. */
function ignore(key: string) {
  return ({ finding, jail, section }: Case): ByteString => {
    if (section === undefined)
      return `add these lines to ${CONFIG_DIRECTORY}/jk_check.ini:\n[${jail}]\n${key} = ${finding.path}`;
    const before = findEntry(section, key)?.value.split("\n").join(" ");
    const value = before === undefined ? finding.path : `${before}, ${finding.path}`;
    return `in section [${section.name}] of ${section.file} write:\n${key} = ${value}`;
  };
}

function socket(one: Case): ByteString | undefined {
  const { finding, jail } = one;
  if (finding.jailPath !== "/dev/log") return takeOut(one);
  return `add these lines to ${CONFIG_DIRECTORY}/jk_socketd.ini:\n[${jail}/dev/log]\nbase = 512\npeak = 2048\ninterval = 10`;
}

function unknownOwner({ finding, stat, above }: Case): ByteString | undefined {
  if (stat === undefined || above === undefined) return undefined;
  return `chown -hR --from=${stat.uid} ${above.uid} ${shellWord(finding.path)}`;
}

function foreignOwner({ finding, stat }: Case): ByteString | undefined {
  return stat === undefined ? undefined : `chown -h --from=${stat.uid} root:root ${shellWord(finding.path)}`;
}

/**
 * Root's directory is made root's alone; that of a user, or one such as /tmp, goes out of the files that say where libraries
 * are looked for.
 */
function libraryDirectory({ finding, jail }: Case): ByteString {
  const causes = (finding.causes ?? []).map((path) => ({ path, stat: statIfPresent(AT_FDCWD, path) }));
  const roots = causes.every(({ stat }) => stat?.uid === 0 && (stat.mode & S_ISVTX) === 0);
  if (causes.length > 0 && roots) return `chmod go-w ${causes.map(({ path }) => shellWord(path)).join(" ")}`;
  const etc = shellWord(`${jail}/etc`);
  const line = shellWord(`\\#^[ \t]*${finding.jailPath ?? ""}/*[ \t]*$#d`);
  return `find ${etc}/ld.so.conf ${etc}/ld.so.conf.d -type f -exec sed -i ${line} {} +`;
}

type Remedy = (one: Case) => ByteString | undefined;

/** For findings that bring none of their own, and that `--fix` does not repair. */
const REMEDIES: Readonly<Partial<Record<Rule, Remedy>>> = {
  "writable-for-others": chmod("o-w"),
  "writable-for-group": chmod("g-w"),
  "file-writable-for-others": chmod("o-w"),
  "file-writable-for-group": chmod("g-w"),
  "foreign-owner": foreignOwner,
  "unknown-owner": unknownOwner,
  "device-unexpected": takeOut,
  "device-differs": (one) => `${takeOut(one)} && ${copyPath(one.jail, one.finding.jailPath ?? "/")}`,
  socket,
  fifo: takeOut,
  "link-outside": takeOut,
  "hard-link": ({ jail }) => `jailkit adopt ${shellWord(jail)}`,
  "different-size": copyOrIgnore,
  "different-content": copyOrIgnore,
  "different-link": copyOrIgnore,
  "different-type": copyOrIgnore,
  "no-counterpart": ignore("ignorepathoncompare"),
  outdated: update,
  "source-gone": update,
  "changed-file": ignore("ignorepathoncompare"),
  unrecorded: copyOrIgnore,
  preload: takeOut,
  shadow: takeOut,
  "library-directory": libraryDirectory,
  "bad-program": copyOrIgnore,
  "too-deep": ignore("ignorepatheverywhere"),
  "smoke-test": fix,
};

/** The finding with what to type against it. Of what a user may exchange, nothing is done with the rights of root. */
export function withRemedy(finding: CheckFinding, context: RemedyContext): CheckFinding {
  if (finding.remedy !== undefined) return finding;
  const stat = statIfPresent(AT_FDCWD, finding.path);
  const above = statIfPresent(AT_FDCWD, directoryOf(finding.path), true);
  const one = { ...context, finding, stat, above };
  const remedy = finding.repair === undefined ? REMEDIES[finding.rule]?.(one) : fix(one);
  return remedy === undefined ? finding : { ...finding, remedy };
}
