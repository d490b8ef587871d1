import type { ByteString } from "../../../ffi/bytes.ts";
import {
  AT_FDCWD,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  S_ISUID,
} from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { fstat, openAt2, openDirectoryPath, sameFile, withFd } from "../../../ffi/files.ts";
import { MAY_EXECUTE, mayAccess } from "../../../ffi/rights.ts";
import { answered } from "../../cli/error.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { soughtSections } from "../../config/scan.ts";
import { confineProblem } from "../../config/schemas/confine.ts";
import { uchrootKeys } from "../../config/schemas/uchroot.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { jailFindings } from "../../jail/fs/safety.ts";
import { closeJailRoot, hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import { groupByGid } from "../../system/accounts.ts";
import { dirsEqual } from "../../system/separator.ts";
import type { Audit } from "../audit.ts";
import { accountOf, type CallerFacts, required } from "../facts.ts";
import { gatherCaller, type Login, memoized, openPlainly } from "../gather.ts";
import { NOT_A_FILE } from "../remedies.ts";
import { readSettings } from "../settings.ts";
import { wayAdvice } from "../shell.ts";
import {
  type AllowedJailFact,
  type ProgramFact,
  type UchrootFacts,
  type UchrootSettingsFact,
  uchrootSettingsOf,
} from "./facts.ts";

/** The configuration of jk_uchroot. */
const UCHROOT_CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_uchroot.ini`;

// The exit status of jk_uchroot if the configuration cannot be used.
const CONFIG_STATUS = 1;

/** A caller, with the requested jail and program. */
interface UchrootLogin extends Login {
  jail: ByteString;
  program: ByteString;
}

/** The facts, and the jail. */
export interface GatheredUchrootFacts extends UchrootFacts {
  /** The open jail; throws if the check jail-path did not pass. */
  root: () => JailRoot;
}

function settingsOf(caller: CallerFacts, log: Audit | undefined): UchrootSettingsFact {
  const file = caller.configFile;
  const { hasFile, section, values, warnings } = readSettings(
    caller,
    uchrootKeys,
    confineProblem,
    CONFIG_STATUS,
    log,
  );
  if (section !== undefined && values.allowedJails.length > 0) {
    return { kind: "found", values, section, warnings };
  }
  let reason = `configfile ${file} is not available`;
  if (section !== undefined) reason = `section [${section}] of configfile ${file} has no allowed_jails`;
  else if (hasFile) {
    const names = soughtSections(accountOf(caller).name, caller.group()?.name);
    reason = [`did neither find a section ${names} in configfile ${file}`, ...warnings].join("; ");
  }
  return { kind: "none", reason, section };
}

interface ChosenJail {
  root: JailRoot | undefined;
  fact: AllowedJailFact;
}

/**
 * Finds the allowed jail that `asked` leads to, and opens it by the path in the settings: the caller's path only chooses
 * among them, and is opened with the caller's rights. Directories are compared by device and inode.
 */
function chooseJail(asked: ByteString, allowed: readonly ByteString[]): ChosenJail {
  const wanted = attempt(() => withFd(openDirectoryPath(asked), fstat));
  let failure: ChosenJail | undefined;
  for (const listed of allowed) {
    const opened = openPlainly(listed);
    if (opened.root !== undefined) {
      if (wanted !== undefined && sameFile(opened.root.top.stat, wanted)) {
        return { root: opened.root, fact: { kind: "opened", listed } };
      }
      closeJailRoot(opened.root);
    } else if (opened.fact.kind !== "opened" && dirsEqual(asked, listed)) {
      failure ??= { root: undefined, fact: opened.fact };
    }
  }
  return failure ?? { root: undefined, fact: { kind: "not-allowed" } };
}

/** The path on the host without symbolic links, which may mean other files there than in the jail. */
function placeOf(root: JailRoot, path: ByteString): ByteString {
  return hostPath(root, answered(() => lookUp(root, path, { follow: true }))?.canonicalPath ?? path);
}

/** The program as a process in the jail would find it from its root directory. */
function findProgram(root: JailRoot, path: ByteString): ProgramFact {
  let found: number;
  try {
    found = openAt2(root.fd, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const advice = error.code === "EACCES" ? wayAdvice(root, path) : undefined;
    return { kind: "missing", reason: error.reason, advice };
  }
  return withFd(found, (fd): ProgramFact => {
    const { mode } = fstat(fd);
    if ((mode & S_IFMT) !== S_IFREG) return { kind: "missing", reason: NOT_A_FILE };
    const isSetuid = (mode & (S_ISUID | S_ISGID)) !== 0;
    const setuid = isSetuid ? placeOf(root, path) : undefined;
    return { kind: "file", setuid, executable: mayAccess(AT_FDCWD, `/proc/self/fd/${fd}`, MAY_EXECUTE) };
  });
}

/** The facts of a call of jk_uchroot, each gathered once, when it is needed. */
export function gatherUchroot(login: UchrootLogin): GatheredUchrootFacts {
  const { uid, gid, requireReadable, log } = login;
  const caller = gatherCaller(login, UCHROOT_CONFIG_FILE);
  const settings = memoized(() => {
    requireReadable?.(caller.configFile);
    return settingsOf(caller, log);
  });
  const chosen = memoized(() => chooseJail(login.jail, uchrootSettingsOf(facts).allowedJails));
  const root = () => required(chosen().root, "the jail");
  const accounts = memoized(() => {
    for (const name of ["passwd", "group"]) requireReadable?.(`${root().path}/etc/${name}`);
    return readJailAccounts(root());
  });
  const hostGroups = memoized(() => caller.groups().map((id) => ({ gid: id, entry: groupByGid(id) })));
  const facts: GatheredUchrootFacts = {
    ...caller,
    askedJail: login.jail,
    askedProgram: login.program,
    settings,
    allowedJail: () => chosen().fact,
    jailPath: () => root().path,
    jailFindings: memoized(() => jailFindings(root())),
    program: memoized(() => findProgram(root(), login.program)),
    inJail: memoized(() => ({
      named: accounts().userByName(accountOf(caller).name),
      numbered: accounts().userByUid(uid),
      group: accounts().groupByGid(gid),
    })),
    hostGroups,
    foreignGroups: memoized(() =>
      hostGroups().filter((one) => one.gid !== gid && accounts().groupByGid(one.gid) === undefined),
    ),
    root,
  };
  return facts;
}
