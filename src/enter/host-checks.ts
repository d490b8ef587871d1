import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { type Check, failed, type Note, passed, type Verdict, warned } from "./checks.ts";
import { accountOf, baseName, type LoginFacts, splitOf, type Unsafe } from "./facts.ts";

// sshd and login(1) put a dash before the name of a login shell; su(1) passes its own name on.
const PROGRAM_NAMES = ["jk_chrootsh", "-jk_chrootsh", "su", "-su"];

function homeOf(facts: LoginFacts): Stat {
  const home = facts.home();
  if (home === undefined) throw new Error("the home is missing");
  return home;
}

const owned = (unsafe: Unsafe): Note => ({ severity: "err", message: unsafe.message });
const octal = (mode: number) => (mode & 0o7777).toString(8).padStart(4, "0");

function judgeAccount(facts: LoginFacts): Verdict {
  const name = facts.userVariable;
  const entry = facts.account();
  if (name !== undefined && name !== "") {
    const remedy = "start it with USER set to the name of the account that the process runs as, or unset";
    if (entry === undefined) {
      return failed(`abort, failed to get user information for user ${name}, check /etc/passwd`, remedy);
    }
    if (entry.name !== name) {
      return failed(`abort, asked for user ${name}, got user info for ${entry.name}`, remedy);
    }
    if (entry.uid !== facts.uid) {
      const what = `started by user ID ${facts.uid}, got user info ${entry.name} with user ID ${entry.uid}`;
      return failed(`abort, ${what}`, remedy);
    }
  } else if (entry === undefined) {
    const what = `failed to get user information for user ID ${facts.uid}, check /etc/passwd`;
    return failed(`abort, ${what}`, "add the account, or start the name service that knows it");
  }
  if (entry.name === "") {
    const what = `got an empty username for user ID ${facts.uid}, check /etc/passwd`;
    return failed(`abort, ${what}`, "give the account a name");
  }
  return passed(`user ${entry.name} (${entry.uid})`);
}

function judgeConfigDirectory(facts: LoginFacts): Verdict {
  const findings = facts.configFindings();
  const bad = findings.filter((finding) => !finding.tolerated);
  const notes = findings.map(
    (finding): Note => ({ severity: finding.tolerated ? "warning" : "err", message: finding.message }),
  );
  const remedy = findings.map((finding) => finding.remedy).join("; ");
  if (bad.length > 0) {
    const what = `jailkit configuration directory ${facts.configDirectory} is not safe`;
    const rule = "it should be owned 0:0 and not writable for others";
    return failed(`abort, ${what}; ${rule}`, remedy, notes);
  }
  if (notes.length > 0) return warned(`${facts.configDirectory} is writable by its group`, remedy, notes);
  return passed(`${facts.configDirectory} is owned by root and not writable by others`);
}

function judgeSettings(facts: LoginFacts): Verdict {
  const { section, warnings } = facts.settings();
  const found =
    section === undefined
      ? `${facts.configFile} has no section for this user: the built-in settings apply`
      : `section [${section}] of ${facts.configFile}`;
  if (warnings.length === 0) return passed(found);
  const notes = warnings.map((message): Note => ({ severity: "warning", message }));
  return warned(`${found}, with warnings: ${warnings.join("; ")}`, "mend the lines that are named", notes);
}

function judgeSeparator(facts: LoginFacts): Verdict {
  const { name, uid, home } = accountOf(facts);
  const split = facts.split();
  if (split !== undefined) return passed(`jail ${split.jail}, home ${split.home}`);
  const what = `homedir '${home}' for user ${name} (${uid}) does not contain the jail separator <jail>/./<home>`;
  return failed(`abort, ${what}`, `jk_jailuser -m -j JAIL ${name}`);
}

function judgeJail(kind: "unreachable" | "crooked") {
  return (facts: LoginFacts): Verdict => {
    const { jail } = splitOf(facts);
    const fact = facts.jail();
    if (fact.kind !== kind)
      return passed(kind === "crooked" ? `${jail} is a plain path` : `${jail} is there`);
    return kind === "unreachable"
      ? failed(
          `abort, chdir(${jail}) failed: ${fact.reason}, check the permissions for ${jail}`,
          `make the directory, and let the user pass (chmod o+x) every directory above it`,
        )
      : failed(
          `abort, the jail ${jail} is not the path of a directory without detours: ${fact.reason}`,
          "write the jail's real path, from / on and without links, into the home of the account",
        );
  };
}

function judgeJailSafety(facts: LoginFacts): Verdict {
  const { jail } = splitOf(facts);
  const findings = facts.jailFindings();
  if (findings.length === 0) return passed(`${jail} is safe`);
  const remedy = findings.map((finding) => finding.remedy).join("; ");
  const what = `${jail} is not a safe jail, check ownership and permissions.`;
  return failed(`abort, ${what} ${findings[0]?.message ?? ""}`, remedy, findings.map(owned));
}

function judgeHome(facts: LoginFacts): Verdict {
  const { home: path } = accountOf(facts);
  const home = facts.home();
  const type = home === undefined ? 0 : home.mode & S_IFMT;
  // What is neither a directory nor a file (a link above all) is refused here; a file, by the check home-entry.
  if (home === undefined || (type !== S_IFDIR && type !== S_IFREG)) {
    const remedy = "make it a real directory of the user, as the jail sees it";
    return failed(`abort, path ${path} is not a directory`, remedy);
  }
  if ((home.mode & (S_ISUID | S_ISGID)) === 0) return passed(`${path} is there`);
  const message = `path ${path} is ${(home.mode & S_ISUID) !== 0 ? "setuid" : "setgid"}`;
  return warned(message, `chmod u-s,g-s ${path}`, [{ severity: "err", message }]);
}

/** A rule about the home that a setting can relax. */
function homeRule(
  relaxed: (facts: LoginFacts) => boolean,
  broken: (home: Stat, facts: LoginFacts) => boolean,
  complaint: (path: ByteString, facts: LoginFacts) => [message: ByteString, remedy: ByteString],
) {
  return (facts: LoginFacts): Verdict => {
    const { home: path } = accountOf(facts);
    const home = homeOf(facts);
    const state = `${path} is ${home.uid}:${home.gid} ${octal(home.mode)}`;
    if (!broken(home, facts)) return passed(state);
    if (relaxed(facts)) return passed(`${state}, which the settings allow`);
    const [message, remedy] = complaint(path, facts);
    return failed(`abort, ${message}`, remedy);
  };
}

/** The checks of a login on the side of the host, in the order of jailkit 2.23. */
export const HOST_CHECKS: readonly Check[] = [
  {
    name: "program-name",
    exitStatus: 1,
    shown: "the program was started under a name that it does not know",
    needs: [],
    judge: ({ programName }) =>
      PROGRAM_NAMES.includes(baseName(programName))
        ? passed(`called as ${programName}`)
        : failed(`abort, jk_chrootsh is called as ${programName}`, `call it as ${PROGRAM_NAMES.join(", ")}`),
  },
  {
    name: "privilege",
    exitStatus: 11,
    shown: "the program has lost the right to enter a jail",
    needs: [],
    judge(facts) {
      const { held, reason, remedy } = facts.privilege();
      if (held === "unknown") return { outcome: "unknown", message: reason, remedy };
      if (held) return passed(reason);
      return failed(`abort, CAP_SYS_CHROOT is missing: ${reason}`, remedy);
    },
  },
  {
    name: "not-root",
    exitStatus: 12,
    shown: "root cannot be jailed",
    needs: [],
    judge: ({ uid }) =>
      uid !== 0
        ? passed(`user ID ${uid}`)
        : failed(
            "abort, jk_chrootsh is run by root, which does not make sense because user root can break out of a jail anyway",
            "give root another login shell",
          ),
  },
  {
    name: "account",
    exitStatus: 13,
    shown: "the account is not known",
    needs: [],
    judge: judgeAccount,
  },
  {
    name: "group",
    exitStatus: 13,
    shown: "the group of the account is not known",
    needs: [],
    judge(facts) {
      const group = facts.group();
      if (group !== undefined) return passed(`group ${group.name} (${group.gid})`);
      const what = `failed to get group information for group ID ${facts.gid}, check /etc/group`;
      return failed(`abort, ${what}`, "add the group");
    },
  },
  {
    name: "groups",
    exitStatus: 13,
    shown: "the groups of the account cannot be read",
    needs: [],
    judge: (facts) => passed(`group IDs ${facts.groups().join(" ")}`),
  },
  {
    name: "config-directory",
    exitStatus: 14,
    shown: "the configuration is not safe",
    needs: [],
    judge: judgeConfigDirectory,
  },
  {
    name: "config-file",
    exitStatus: 14,
    shown: "the configuration cannot be used",
    needs: ["account", "group"],
    judge: judgeSettings,
  },
  {
    name: "primary-group",
    exitStatus: 15,
    shown: "the session has another group than the account",
    needs: ["account"],
    judge(facts) {
      const { gid } = accountOf(facts);
      if (gid === facts.gid) return passed(`group ID ${gid}`);
      const what = `the group ID from /etc/passwd (${gid}) does not match the group ID we run with (${facts.gid})`;
      return failed(`abort, ${what}`, "do not start it through newgrp(1) or sg(1)");
    },
  },
  {
    name: "home-set",
    exitStatus: 16,
    shown: "the account has no home",
    needs: ["account"],
    judge(facts) {
      const { name, uid, home } = accountOf(facts);
      if (home !== "") return passed(`home ${home}`);
      const remedy = `jk_jailuser -m -j JAIL ${name}`;
      return failed(`abort, got an empty home directory for user ${name} (${uid})`, remedy);
    },
  },
  {
    name: "separator",
    exitStatus: 17,
    shown: "the account is not in a jail",
    needs: ["home-set"],
    judge: judgeSeparator,
  },
  {
    name: "jail-reachable",
    exitStatus: 19,
    shown: "the jail cannot be reached",
    needs: ["separator"],
    judge: judgeJail("unreachable"),
  },
  {
    name: "jail-path",
    exitStatus: 21,
    shown: "the path of the jail is not plain",
    needs: ["jail-reachable"],
    judge: judgeJail("crooked"),
  },
  {
    name: "jail-safety",
    exitStatus: 53,
    shown: "the jail is not safe",
    needs: ["jail-path"],
    judge: judgeJailSafety,
  },
  {
    name: "home-present",
    exitStatus: 53,
    shown: "the home is not a directory",
    needs: ["jail-path"],
    judge: judgeHome,
  },
  {
    name: "home-owner",
    exitStatus: 53,
    shown: "the home belongs to somebody else",
    needs: ["home-present", "config-file"],
    judge: homeRule(
      (facts) => facts.settings().values.relaxHomeOwner,
      (home, facts) => home.uid !== facts.uid,
      (path, { uid }) => [`path ${path} is not owned by ${uid}`, `chown ${uid} ${path}`],
    ),
  },
  {
    name: "home-group",
    exitStatus: 53,
    shown: "the home has another group than the account",
    needs: ["home-present", "config-file"],
    judge: homeRule(
      (facts) => facts.settings().values.relaxHomeGroup,
      (home, facts) => home.gid !== facts.gid,
      (path, { gid }) => [
        `path ${path} does not have group owner ${gid}, set option 'relax_home_group' to relax this check`,
        `chgrp ${gid} ${path}`,
      ],
    ),
  },
  {
    name: "home-group-write",
    exitStatus: 53,
    shown: "the home is writable by its group",
    needs: ["home-present", "config-file"],
    judge: homeRule(
      (facts) => facts.settings().values.relaxHomeGroupPermissions,
      (home) => (home.mode & 0o020) !== 0,
      (path) => [
        `path ${path} is group writable, set option 'relax_home_group_permissions' to relax this check`,
        `chmod g-w ${path}`,
      ],
    ),
  },
  {
    name: "home-other-write",
    exitStatus: 53,
    shown: "the home is writable by everybody",
    needs: ["home-present", "config-file"],
    judge: homeRule(
      (facts) => facts.settings().values.relaxHomeOtherPermissions,
      (home) => (home.mode & 0o002) !== 0,
      (path) => [
        `path ${path} is writable for other, set option 'relax_home_other_permissions' to relax this check`,
        `chmod o-w ${path}`,
      ],
    ),
  },
];
