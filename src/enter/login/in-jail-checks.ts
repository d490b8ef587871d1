import type { ByteString } from "../../../ffi/bytes.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { dirsEqual } from "../../jail/accounts/separator.ts";
import { type Check, failed, passed, type Verdict } from "../checks.ts";
import { accountOf, type LoginFacts, splitOf } from "../facts.ts";
import { entryOf, jailAccountChecks, NOT_COMPARED } from "../jail-account-checks.ts";
import {
  atHome,
  homeRemedy,
  jailSideRemedy,
  passRemedy,
  programRemedy,
  sectionLinesRemedy,
} from "../remedies.ts";
import { programVerdict } from "../verdicts.ts";
import { ownHomeRemedy } from "./host-checks.ts";

// Each check needs the one before it, as in jailkit 2.23.
type InJailJudge = (facts: LoginFacts, passwdFile: ByteString) => Verdict;

/** A check that `skip_injail_passwd_check` disables. */
function unlessSkipped(judge: InJailJudge) {
  return (facts: LoginFacts): Verdict => {
    if (facts.settings().values.skipInjailPasswdCheck) {
      return passed(NOT_COMPARED);
    }
    return judge(facts, `${splitOf(facts).jail}/etc/passwd`);
  };
}

const addUser = (facts: LoginFacts) => jailSideRemedy(splitOf(facts).jail, accountOf(facts).name);

function judgeHomeText(facts: LoginFacts, file: ByteString): Verdict {
  const { home } = splitOf(facts);
  const { name, uid } = accountOf(facts);
  const { numbered } = facts.inJail();
  const entry = entryOf(facts);
  if (entry?.home === home || (numbered !== undefined && dirsEqual(numbered.home, home))) {
    return passed(`home ${home} on both sides`);
  }
  if (numbered === undefined) {
    return failed(`abort, failed to find user ${uid} in ${file}`, addUser(facts));
  }
  const what = `home directory ${home} differs from jail home directory ${numbered.home} for user ${name} (${uid})`;
  return failed(`abort, ${what}, check /etc/passwd and ${file}`, addUser(facts));
}

/** Lets the user search a directory: the home by the owner's bit, the directories above it by the bit for others. */
function openRemedy(directory: ByteString, facts: LoginFacts): ByteString {
  const { jail, home } = splitOf(facts);
  const own = dirsEqual(directory, `${jail}${home}`) && facts.home()?.uid === facts.uid;
  return own ? `chmod u+x ${shellWord(directory)}` : passRemedy(directory);
}

function judgeHomeEntry(facts: LoginFacts): Verdict {
  const { jail, home } = splitOf(facts);
  const obstacle = facts.homeObstacle();
  if (obstacle === undefined) return passed(`${home} can be entered`);
  const what = `chdir(${home}) failed inside the jail ${jail}: ${obstacle.reason}`;
  return failed(
    `abort, ${what}, check the permissions for ${jail}${home}`,
    obstacle.closed === undefined
      ? ownHomeRemedy(
          facts,
          atHome(facts, `${jail}${home}`, homeRemedy(`${jail}${home}`, facts.uid, facts.gid, true)),
        )
      : atHome(facts, obstacle.closed, openRemedy(obstacle.closed, facts)),
  );
}

/** Copies the shell into the jail; an account without a shell gets the limited shell. */
function shellRemedy(facts: LoginFacts, path: ByteString): ByteString {
  const { jail } = splitOf(facts);
  if (path.startsWith("/")) return programRemedy(jail, path, facts.shell());
  const { injailShell } = facts.settings().values;
  const { name } = accountOf(facts);
  if (injailShell !== undefined)
    return sectionLinesRemedy(facts.configFile, facts.settings().section ?? name, [
      "injail_shell = /usr/sbin/jk_lsh",
    ]);
  const word = shellWord(jail);
  return `jk_jailuser --jail-side-only -s /usr/sbin/jk_lsh -j ${word} ${operands(name)}`;
}

function judgeShell(facts: LoginFacts): Verdict {
  const { jail } = splitOf(facts);
  const { name, uid } = accountOf(facts);
  const shell = facts.shell();
  const refusal = (reason: ByteString) =>
    `ERROR: failed to execute shell ${shell.path} for user ${name} (${uid}): ${reason}, ` +
    `check the permissions and libraries of ${jail}${shell.path}`;
  if (shell.kind === "internal") {
    return passed(`${shell.path} is not in the jail: the limited shell of jk_chrootsh takes its place`);
  }
  if (shell.kind === "missing") {
    return failed(refusal(shell.reason), shell.remedy ?? shellRemedy(facts, shell.path));
  }
  return programVerdict(shell.path, shell.unsafe, refusal);
}

const usual = { needs: ["jail-path", "config-file", "account", "group"] } as const;

/** The checks of a login in the jail, in the order of jailkit 2.23. */
export const IN_JAIL_CHECKS: readonly Check[] = [
  ...jailAccountChecks<LoginFacts>({
    jail: (facts) => splitOf(facts).jail,
    skip: (facts) => facts.settings().values.skipInjailPasswdCheck,
    statuses: { user: 35, group: 35, userName: 37, groupName: 37 },
    needs: usual.needs,
  }),
  {
    name: "jail-home",
    exitStatus: 39,
    shown: "the account has another home in the jail",
    needs: ["jail-user"],
    judge: unlessSkipped(judgeHomeText),
  },
  {
    name: "home-entry",
    exitStatus: 41,
    shown: "the home cannot be entered",
    needs: ["home-present"],
    judge: judgeHomeEntry,
  },
  {
    name: "shell",
    exitStatus: 111,
    shown: "the login shell cannot be run",
    ...usual,
    judge: judgeShell,
  },
];
