import type { ByteString } from "../../../ffi/bytes.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { dirsEqual, joinHome } from "../../system/separator.ts";
import { type Check, check, failed, passed, programVerdict, type Verdict } from "../checks.ts";
import { accountOf, type LoginFacts, splitOf } from "../facts.ts";
import { addUser, entryOf, jailAccountChecks, unlessSkipped } from "../jail-account-checks.ts";
import {
  atHome,
  homeRemedy,
  homeTextAdvice,
  jailSideRemedy,
  passRemedy,
  plainShell,
  recopyRemedy,
  sectionLinesRemedy,
} from "../remedies.ts";
import { homeAdvice, ownHomeAdvice } from "./home-advice.ts";
import { otherUidAdvice, unlessOtherUid } from "./other-uid.ts";

function judgeHomeText(facts: LoginFacts, jail: ByteString): Verdict {
  const file = `${jail}/etc/passwd`;
  const { home } = splitOf(facts);
  const { name, uid } = accountOf(facts);
  const { numbered } = facts.inJail();
  const entry = entryOf(facts);
  if (entry?.home === home || (numbered !== undefined && dirsEqual(numbered.home, home))) {
    return passed(`home ${home} on both sides`);
  }
  if (numbered === undefined) {
    return failed(`abort, failed to find user ${uid} in ${file}`, addUser(facts, jail));
  }
  const what = `home directory ${home} differs from jail home directory ${numbered.home} for user ${name} (${uid})`;
  const plain = plainPath(home);
  // The line gets the home without doubled slashes and the like.
  const advice = dirsEqual(home, plain)
    ? addUser(facts, jail)
    : homeTextAdvice(joinHome(jail, plain), name, facts.isLocal());
  return failed(`abort, ${what}, check /etc/passwd and ${file}`, advice);
}

/** Lets the user search a directory: the home by the owner's bit, the directories above it by the bit for others. */
function openRemedy(directory: ByteString, facts: LoginFacts): Remedy {
  const { jail, home } = splitOf(facts);
  const own = dirsEqual(directory, `${jail}${home}`) && facts.home()?.uid === facts.uid;
  return own ? `chmod u+x ${shellWord(directory)}` : passRemedy(directory);
}

function judgeHomeEntry(facts: LoginFacts): Verdict {
  const { jail, home } = splitOf(facts);
  const obstacle = facts.homeObstacle();
  if (obstacle === undefined) return passed(`${home} can be entered`);
  const { reason, closed } = obstacle;
  const path = `${jail}${home}`;
  const advice =
    closed === undefined
      ? homeAdvice(facts, path, homeRemedy(path, facts.uid, facts.gid, facts.homeAside()), false)
      : ownHomeAdvice(facts, atHome(facts, closed, openRemedy(closed, facts)));
  const what = `chdir(${home}) failed inside the jail ${jail}: ${reason}`;
  return failed(`abort, ${what}, check the permissions for ${path}`, advice);
}

/** Copies the shell into the jail; an account without a shell gets the limited shell. */
function shellRemedy(facts: LoginFacts, path: ByteString, hasPlain = false): Remedy {
  const { jail } = splitOf(facts);
  const { injailShell } = facts.settings().values;
  const { name } = accountOf(facts);
  const plain = plainShell(path);
  if (plain !== path && injailShell === undefined && plain.startsWith("/")) {
    const write = jailSideRemedy(jail, name, `--jail-side-only -s ${shellWord(plain)}`);
    return hasPlain ? write : allOf([recopyRemedy(jail, plain), write]);
  }
  if (path.startsWith("/")) return recopyRemedy(jail, path);
  if (injailShell === undefined) {
    return `jk_jailuser --jail-side-only -s /usr/sbin/jk_lsh -j ${shellWord(jail)} ${operands(name)}`;
  }
  const section = facts.settings().section ?? name;
  return sectionLinesRemedy(facts.configFile, section, ["injail_shell = /usr/sbin/jk_lsh"]);
}

function judgeShell(facts: LoginFacts): Verdict {
  const { jail } = splitOf(facts);
  const { name, uid } = accountOf(facts);
  const shell = facts.shell();
  const refusal = (reason: ByteString) =>
    `ERROR: failed to execute shell ${shell.path} for user ${name} (${uid}): ${reason}, ` +
    `check the permissions and libraries of ${jail}${shell.path}`;
  if (shell.kind === "internal") {
    const why = shell.shown ? "is the host's" : "is not in the jail";
    return passed(`${shell.path} ${why}: the limited shell of jk_chrootsh takes its place`);
  }
  if (shell.kind === "missing") {
    return failed(refusal(shell.reason), shell.advice ?? shellRemedy(facts, shell.path, shell.hasPlain));
  }
  return programVerdict(shell.path, shell.unsafe, refusal);
}

const BOTH = {
  jail: (facts: LoginFacts) => splitOf(facts).jail,
  skip: (facts: LoginFacts) => facts.settings().values.skipInjailPasswdCheck,
  otherUid: otherUidAdvice,
};
const NEEDS = ["jail-path", "config-file", "account", "group"];
const OTHER_HOME = "the account has another home in the jail";

/** The checks of a login in the jail, in the order of jailkit 2.23. */
export const IN_JAIL_CHECKS: readonly Check[] = [
  ...jailAccountChecks(BOTH, NEEDS),
  check("jail-home", 39, OTHER_HOME, ["jail-user"], unlessSkipped(BOTH, judgeHomeText)),
  check("home-entry", 41, "the home cannot be entered", ["home-present"], unlessOtherUid(judgeHomeEntry)),
  check("shell", 111, "the login shell cannot be run", NEEDS, judgeShell),
];
