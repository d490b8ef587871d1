/**
 * The remedies of `jailkit config check`, typed as printed: the finding is gone, and there is no new one. For each code
 * of FINDING_CODES, in a file with that one fault.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { FINDING_CODES, type FindingCode } from "../../src/config/finding-codes.ts";
import { type ConfigReport, configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

const JAIL = "/srv/one";
const CONFIG = "/etc/jailkit";
let m: Machine;
let ran = 0;

/** A fault: in which file, its text, and where there is more to it, what is done besides. */
interface Fault {
  code: FindingCode;
  file: string;
  text: string;
  plant?: string;
}

/** Does something in a drop-in directory. */
const beside = (folder: string, command: string) =>
  `mkdir -p ${CONFIG}/${folder} && cd ${CONFIG}/${folder} && ${command}`;
const inJail = `${JAIL}${CONFIG}/jk_lsh.ini`;
const fault = (code: FindingCode, file: string, text: string, plant?: string): Fault => ({
  code,
  file: file.startsWith("/") ? file : `${CONFIG}/${file}.ini`,
  text,
  ...(plant === undefined ? {} : { plant }),
});
const lsh = (code: FindingCode, lines: string, plant?: string) =>
  fault(code, inJail, `[u]\npaths = /usr/bin\n${lines}\n`, plant);
const ls = "executables = /usr/bin/ls";
const declared = (code: FindingCode, lines: string) =>
  fault(code, "jails", `[user u]\njail = ${JAIL}\nshell = /bin/sh\n${lines}\n`);

const FAULTS: readonly Fault[] = [
  fault("bad-header", "jk_chrootsh", "[u\nenv = A\n"),
  fault("bad-header", "jk_chrootsh", "[u] [v]\nenv = A\n"),
  fault("bad-header", "jk_chrootsh", "[u]\ne[nv = A\n"),
  fault("bad-header", "jk_chrootsh", "[]\n[u]\nenv = A\n"),
  fault("bad-name", "jk_chrootsh", "[u]\nenv = A, 1B, C\n"),
  fault("bad-path", inJail, "[u]\npaths = /usr/bin\nexecutables = /usr//bin/ls\n"),
  fault("bad-path", inJail, "[u]\npaths = /usr/bin/../bin\nexecutables = /usr/bin/ls\n"),
  fault("bad-path", "jk_init", "[a]\npaths = /bin/ls\n  /bin/cat, /bin/cp\n"),
  fault("bad-path", "jk_init", "[a]\npaths = /bin/./ls, /bin/cp\nemptydirs = tmp, /var/tmp\n"),
  fault("bad-path", "jk_init", "[a]\npaths = $X/ls, /bin/cp\n"),
  fault("bad-path", "jk_chrootsh", "[u]\ninjail_shell = /bin//sh\n"),
  fault("bad-path", "jk_chrootsh", "[u]\ninjail_shell = sh\n"),
  fault("bad-path", "jk_uchroot", "[u]\nallowed_jails = /srv/./one\n"),
  fault("bad-path", "jk_check", `[${JAIL}/]\nignorepatheverywhere = ${JAIL}//home\n`),
  fault("bad-path", "jk_update", "[srv/one]\nskips = home\n"),
  fault("bad-path", "jk_socketd", `[/srv//one/dev/log]\nbase = 511\n`),
  fault("bad-value", "jk_chrootsh", "[u]\nskip_injail_passwd_check = maybe\n"),
  fault("bad-value", "jk_socketd", `[${JAIL}/dev/log]\nbase = x\ntype = seqpacket\ntrust = me\n`),
  lsh("bad-value", `${ls}\numask = 9\nexecute = /usr/bin`),
  fault(
    "bad-value",
    "jk_chrootsh",
    "[u]\nconfine = yes\nexecute = sytem\nread = data\nwrite = ../x\ntcp_connect = https\n",
  ),
  fault("bad-value", "jk_chrootsh", "[u]\nnetwork = lo\n"),
  fault("bad-value", "jk_chrootsh", "[u]\nnetwork = Local\nwrite = None\nread = None\n"),
  fault("bad-value", "jk_chrootsh", "[u]\ntcp_connect = 80 443\nsyscalls = LOGIN\n"),
  fault("bad-value", "jk_chrootsh", "[u]\ntcp_bind = 0\nsyscalls = logins\nscope = yes\nconfine =\nread =\n"),
  fault("byte-order-mark", "jk_chrootsh", "\xef\xbb\xbf[u]\nenv = A\n"),
  lsh("code-variable", `${ls}\nenvironment = A=1, LD_PRELOAD=/x\nenv = LD_AUDIT, B`),
  lsh("comment-in-value", `${ls} # as it should be`),
  lsh("comment-in-value", "command x = ls # as it should be"),
  fault("comment-in-value", "jk_init", "[a]\npaths = /bin/ls, # one\n  /bin/cat\n"),
  fault("contradiction", "jk_chrootsh", "[u]\nno_new_privs = 0\nread = /usr\n"),
  fault("contradiction", "jk_uchroot", `[u]\nallowed_jails = ${JAIL}\nsyscalls = login\nallow_setuid = 1\n`),
  lsh("contradiction", `${ls}\nconfine = require\nno_new_privs = 0`),
  fault("contradiction", "jk_chrootsh", "[u]\nno_new_privs = 0\nconfine = 1\n"),
  fault("contradiction", "jk_uchroot", "[u]\nallowed_jails = /srv/one\nread = /data\nallow_setuid = 1\n"),
  lsh("contradiction", `${ls}\nno_new_privs = 0\nscope = 1`),
  fault("default-only", "jk_chrootsh", "[u]\nenv = A\nlog_format = json\n[DEFAULT]\nlog_format = json\n"),
  fault("doubtful-header", "jk_chrootsh", "[u]\nenv = A\n;[v]\nrelax_home_group = 1\n"),
  lsh("doubtful-value", `${ls}\nno_new_privs = 1 yes`),
  lsh("doubtful-value", "force = ls ~\nallow_word_expansion = 1"),
  lsh("doubtful-value", "command x = ls 'a' [z-a] [0-9Z-A]"),
  lsh("doubtful-value", `${ls}\nenvironment = A, B=1`),
  lsh("doubtful-value", `${ls}\numask = 7022`),
  lsh("duplicate-item", `${ls}, /usr/bin/cat, /usr/bin/ls`),
  lsh("duplicate-key", `${ls}\n${ls}`),
  fault("duplicate-key", "jk_init", "[a]\npaths = /bin/ls\npaths = /bin/cat,\n  /bin/cp\nusers = root\n"),
  fault(
    "duplicate-section",
    "jk_chrootsh",
    "[u]\nenv = A\n[DEFAULT]\nenv = B\n\n[u]\nenv = C\n\n[v]\nenv = D\n",
  ),
  fault(
    "duplicate-section",
    "jk_init",
    "[a]\npaths = /bin/ls\n[a]\npaths = /bin/cat,\n  /bin/cp\n[b]\npaths = /bin/cp\n",
  ),
  fault("empty-value", "jk_chrootsh", "[u]\nenv =\n"),
  lsh("execute-any", `${ls}\nexecute = any`),
  fault(
    "include-circle",
    "jk_init",
    "[a]\nincludesections = b, c\n[b]\nincludesections = a\n[c]\npaths = /bin/ls\n",
  ),
  fault("limit-too-low", "jk_chrootsh", "[u]\nlimits = core 0, nofile 8, nproc 0\n"),
  fault("limit-too-low", "jk_chrootsh", "[u]\nlimits = as 1M, data 0, stack 4K, fsize 0\n"),
  lsh("no-effect", `${ls}, /usr/bin/su`),
  lsh("no-executables", "umask = 022"),
  fault("no-jails", "jk_uchroot", "[u]\nenv = A\n"),
  fault("no-section", "jk_chrootsh", "env = A\n[u]\nenv = B\n"),
  fault("no-section", "jk_init", "paths = x\n[a]\npaths = /bin/ls\n"),
  lsh("no-such-path", `${ls}, /usr/bin/nosuch`),
  lsh("no-such-path", `${ls}, /usr/bin/factor`),
  lsh("no-such-path", "command x = factor 12"),
  lsh("no-such-path", "force = /usr/bin/factor 12"),
  fault("no-such-path", inJail, "[u]\npaths = /usr/bin, /usr/local/nosuch\nexecutables = /usr/bin/ls\n"),
  lsh("no-such-path", `${ls}\nread = /usr, /nosuch, ~\nwrite = /nosuch`),
  fault("no-such-path", "jk_chrootsh", "[u]\nread = /home, /nosuch\nwrite = /none, /nosuch\n"),
  fault("no-such-path", "jk_uchroot", `[u]\nallowed_jails = ${JAIL}\nwrite = /nosuch\n`),
  fault("no-such-path", "jk_chrootsh", "[u]\nexecute = system, /nosuch\nwrite = /nosuch, /usr\n"),
  fault("no-such-path", "jk_uchroot", `[u]\nallowed_jails = ${JAIL}\nexecute = system, /usr, /nosuch\n`),
  lsh("no-such-path", "allow = sftp, git read"),
  lsh("no-such-path", "allow = svn"),
  fault("bad-value", "jk_chrootsh", "[u]\nread = /usr, data\ntcp_bind = 22, x\n"),
  fault("no-such-path", "jk_init", "[a]\ndevices = /dev/nul, /dev/tty\n"),
  fault("no-such-path", "jk_uchroot", "[u]\nallowed_jails = /srv/onne\n"),
  fault("no-such-path", "jk_uchroot", "[u]\nallowed_jails = /srv/one, /elsewhere/entirely\n"),
  fault("no-such-path", "jk_check", `[${JAIL}]\nignorepatheverywhere = ${JAIL}/nosuch\n`),
  fault("no-such-path", "jk_check", "[/srv/oen]\nignorepatheverywhere = /srv/one/home\n"),
  fault("no-such-path", "jk_update", "[/nowhere/at/all]\nskips = /home\n[/srv/one]\nskips = /home\n"),
  fault("no-such-path", "jk_socketd", "[/nowhere/dev/log]\nbase = 511\n"),
  fault("not-a-directory", inJail, "[u]\npaths = /usr/bin, /etc/passwd\nexecutables = /usr/bin/ls\n"),
  lsh("not-a-list", "executables = /usr/bin/ls /usr/bin/cat"),
  lsh("not-a-list", "executables = /usr/bin/ls; /usr/bin/cat"),
  lsh("not-a-list", "executables = /usr/bin/ls:/usr/bin/cat"),
  lsh("not-a-list", 'executables = "/usr/bin/ls", /usr/bin/cat'),
  fault("not-a-list", "jk_init", "[a]\npaths = /bin/ls /bin/cat\n"),
  fault("not-a-list", "jk_init", "[a]\npaths = /bin/ls\nusers = root daemon\ngroups = root;daemon\n"),
  fault("not-a-list", "jk_init", "[b]\npaths = /bin/ls\n[c]\npaths = /bin/cp\n[a]\nincludesections = b c\n"),
  fault("not-a-list", "jk_chrootsh", "[u]\nenv = A B\n"),
  fault("not-a-list", "jk_uchroot", "[u]\nallowed_jails = '/srv/one'\n"),
  lsh("not-executable", `${ls}, /usr/bin/cat`, `chmod 0644 ${JAIL}/usr/bin/cat`),
  lsh("not-executable", `${ls}, /usr/bin`),
  lsh("not-executable", "allow = rsync", `rm ${JAIL}/usr/lib/*/libpopt.so.0`),
  lsh("not-executed", `${ls}\nexecute = system, /home`, `chown 1000 ${JAIL}/home`),
  fault("not-in-jail", "jk_check", `[${JAIL}]\nignorepatheverywhere = ${JAIL}/home, /home\n`),
  lsh(
    "not-in-paths",
    `${ls}, /usr/local/bin/tool`,
    `install -D -m 0755 /bin/true ${JAIL}/usr/local/bin/tool`,
  ),
  fault("not-read", "jk_chrootsh", "[u]\nread = /usr, /home/x, ~/in\n", `install -d -m 1777 ${JAIL}/home/x`),
  fault(
    "not-read",
    "jk_uchroot",
    `[u]\nallowed_jails = ${JAIL}\nread = /tmp/x\n`,
    `install -d -m 1777 ${JAIL}/tmp && install -d ${JAIL}/tmp/x`,
  ),
  lsh("not-read", `${ls}\nread = /usr, /open/x`, `install -d ${JAIL}/open/x && chown 1000 ${JAIL}/open`),
  fault("nul-byte", "jk_chrootsh", "[u]\nenv = A\0B\n"),
  lsh(
    "other-in-paths",
    "executables = /usr/local/bin/ls",
    `install -D -m 0755 /bin/ls ${JAIL}/usr/local/bin/ls`,
  ),
  fault("peak-under-base", "jk_socketd", `[${JAIL}/dev/log]\nbase = 5000\npeak = 600\n`),
  fault("peak-under-base", "jk_socketd", `[${JAIL}/dev/log]\nbase = 5000\n`),
  lsh("relative-executable", "executables = ls, nosuch"),
  lsh("starts-programs", `${ls}, /bin/bash`),
  lsh("starts-programs", `${ls}, /usr/bin/rsync\nallow_spawn_options = 1`),
  fault("stray-text", "jk_chrootsh", "; no comment\n[u] of all\nenv = A\n= B\nno sense\n"),
  fault("stray-text", "jk_init", "[a]\npaths = /bin/ls\nnonsense\n= x\n"),
  fault("too-long", "jk_chrootsh", `[u]\nenv = A\n${"k".repeat(2000)} = x\n`),
  fault("too-long", "jk_chrootsh", `[u]\nenv = A\n[${"n".repeat(1025)}]\nenv = B\nread = /usr\n`),
  fault("too-long", "jk_init", `[a]\npaths = /bin/ls\n[${"n".repeat(1025)}]\npaths = /bin/cp,\n  /bin/mv\n`),
  lsh("unknown-copy", `${ls}, /usr/bin/copy`, `cp ${JAIL}/usr/bin/rsync ${JAIL}/usr/bin/copy`),
  fault("unknown-group", "jk_chrootsh", "[group gaems]\nenv = A\n[group nosuchgroup]\nenv = B\n"),
  fault("unknown-group", "jk_chrootsh", "[member gaems]\nenv = A\n[member nosuchgroup]\nenv = B\n"),
  fault(
    "unknown-group",
    inJail,
    `[member ops]\npaths = /usr/bin\n${ls}\n`,
    "groupadd -f ops && usermod -aG ops u",
  ),
  fault("unknown-group", inJail, `[member idle]\npaths = /usr/bin\n${ls}\n`, "groupadd -f idle"),
  fault("unknown-group", "jk_init", "[a]\npaths = /bin/ls\ngroups = nosuchgroup\n"),
  lsh("unknown-key", "excutables = /usr/bin/ls"),
  lsh("unknown-key", `${ls}\nexcutables = /usr/bin/cat`),
  lsh("unknown-key", `${ls}\nallowed_jails = /srv/one`),
  fault("unknown-key", "jk_chrootsh", "[u]\ncolour = blue\nenv = A\n"),
  fault("unknown-key", "jk_init", "[a]\npahts = /bin/ls,\n  /bin/cat\nfoobar = x,\n  y\nusers = root\n"),
  fault("unknown-section", "jk_init", "[basic]\npaths = /bin/ls\n[a]\nincludesections = basci, nowhere\n"),
  fault("unknown-user", "jk_chrootsh", "[uu]\nenv = A\n"),
  fault("unknown-user", "jk_chrootsh", "[default]\nenv = A\n"),
  fault("unknown-user", "jk_chrootsh", "[ group games]\nenv = A\n"),
  fault("unknown-user", "jk_chrootsh", "[audio]\nenv = A\n"),
  fault("unknown-user", "jk_chrootsh", "[nobodyatall]\nenv = A\n\n[u]\nenv = A\n"),
  fault("unknown-user", "jk_init", "[a]\npaths = /bin/ls\nusers = nosuch\n"),
  fault("unknown-user", "jk_init", "[a]\npaths = /bin/ls\nusers = root, daemn\n"),
  fault("unread-file", "jk_chrootsh", "[u]\nenv = A\n", beside("jk_chrootsh.d", "touch own.conf 'a b'")),
  fault("unread-file", "jails", "", beside("jails.d", "touch own.ini own.INI .own.ini")),
  fault("not-a-file", "jk_init", "[a]\npaths = /bin/ls\n", beside("jk_init.d", "mkdir own.ini")),
  fault("unreadable-file", "jk_chrootsh", "[u]\nenv = A\n", `chmod 0600 ${CONFIG}/jk_chrootsh.ini`),
  fault("unsafe-file", "jk_chrootsh", "[u]\nenv = A\n", `chmod 0666 ${CONFIG}/jk_chrootsh.ini`),
  fault("unsafe-file", "jk_chrootsh", "[u]\nenv = A\n", `chown 1000 ${CONFIG}/jk_chrootsh.ini`),
  fault("unsafe-file", "jk_chrootsh", "[u]\nenv = A\n", `setfacl -m u:1000:rw ${CONFIG}/jk_chrootsh.ini`),
  lsh("unused-command", `${ls}, /usr/bin/cat\ncommand x = ls ...`),
  lsh("unused-command", `${ls}\ncommand x = ls ...\ncommand y = cat ...`),
  lsh("unused-command", "force = ls\ncommand x = ls ...\ncommand y = ls"),
  lsh("unused-command", `${ls}, /usr/bin/rsync\nallow = rsync`),
  lsh("unused-key", "allow = rsync download\nread = /usr\nwrite = /tmp"),
  lsh("unused-key", "allow = rsync upload\nread = /usr"),
  fault("unused-key", "jk_chrootsh", "[u]\nnetwork = local\ntcp_connect = 443\ntcp_bind = none\n"),
  fault("unused-key", "jk_uchroot", `[u]\nallowed_jails = ${JAIL}\nno_new_privs = 0\n`),
  lsh("unused-key", `${ls}\nno_new_privs = 0`),
  lsh("duplicate-item", "allow = rsync, scp, rsync"),
  declared("bad-account", "groups = users, a:"),
  fault("bad-header", "jails", "[jail /srv/one] # one\nproc = 1\n[jail /srv/two\nsections = uidbasics\n"),
  declared("bad-header", "groups = users,\n  [jail /srv/two]\nsections = uidbasics"),
  declared("bad-path", "home = /home//u"),
  fault("bad-path", "jails", "[jail /srv/../srv/one/]\n"),
  fault(
    "bad-path",
    "jails",
    "[jail /srv/one]\nfiles = /usr/bin/ls, bin/x, /usr/bin/../bin/id\nlive = /usr/, opt\n",
  ),
  declared("comment-in-value", "groups = users # of all"),
  declared("contradiction", "directory = yes"),
  fault(
    "control-character",
    "jails",
    "[jail /srv/one]\rproc = 1\r\r[user u]\rjail = /srv/one\rshell = /bin/sh\r",
  ),
  fault(
    "nul-byte",
    "jails",
    Buffer.from("\ufeff[jail /srv/one]\r\nproc = 1\r\n", "utf16le").toString("latin1"),
  ),
  fault("nul-byte", "jk_chrootsh", Buffer.from("\ufeff[u]\nenv = A\n", "utf16le").toString("latin1")),
  fault("stray-text", "jails", "[jail /srv/one]\nproc: 1\n[user u]\njail: /srv/one\nshell : /bin/sh\n"),
  fault("unknown-section", "jails", "[jails /srv/one]\n[user:u]\njail = /srv/one\nshell = /bin/sh\n"),
  fault("control-character", "jails", "[jail /srv/one]\nproc = 1\x07\nlog_socket = \x1b1\n"),
  declared("doubtful-value", "groups = users, shadow"),
  declared("home-differs", "home = /home/b"),
  fault(
    "no-home",
    "jails",
    `[user homeless]\njail = ${JAIL}\nshell = /bin/sh\n`,
    "useradd -M -g users -s /bin/sh homeless",
  ),
  fault(
    "indented-line",
    "jails",
    "[user u]\njail = /srv/one\nexecutables = /usr/bin/ls,\n  read = none\n  write = none\n",
  ),
  fault("not-a-list", "jails", "[jail /srv/one]\nsections = basicshell uidbasics,\n  netbasics\n  perl\n"),
  fault("refused-source", "jails", "[jail /srv/one]\nsections = basicshell\nfiles = /usr/bin/ls, /etc\n"),
  declared("taken", "uid = 4003"),
  declared("unknown-group", "groups = user, newgroup"),
  fault(
    "unknown-jail",
    "jails",
    "[jail /srv/new]\nsections = basicshell\n[user u]\njail = /srv/nwe\nshell = /bin/sh\n",
  ),
  fault(
    "not-in-jail",
    "jails",
    "[jail /srv/new]\nsections = uidbasics\n[user u]\njail = /srv/new\nshell = /bin/sh\n",
  ),
  fault("unknown-key", "jails", "[jail /srv/one]\nsectons = basicshell\nshel = /bin/sh\n"),
  fault("unknown-section", "jails", "[jail  /srv/one]\n[USER u]\njail = /srv/one\nshell = /bin/sh\n[x]\n"),
  fault("unknown-section", "jails", "[jail /srv/one]\nsections = basicshel, nosuchthing\n"),
  fault("unknown-section", "jails", "[group devs]\njail = /srv/one\nshell = /bin/sh\n[jail /srv/one]\n"),
  fault("bad-path", "jails", "[jail \"/srv/one/\"]\n[user 'u']\njail = '/srv/one'\nshell = \"/bin/sh\"\n"),
  fault("not-a-list", "jails", "[jail /srv/one]\nsections = uidbasics, \\\n  basicshell\n"),
  fault(
    "stray-text",
    "jails",
    `[user u]\njail = /srv/one\nshell = /bin/sh\nauthorized_keys =\n${KEYS[0]}\n${KEYS[1]}\n`,
  ),
];

/** Findings that no printed command fixes, and why. */
const NO_REMEDY: Readonly<Partial<Record<FindingCode, string>>> = {
  "another-jail": "which of the two paths is meant is the administrator's to say",
  "bad-key": "which key is meant is the administrator's to say",
  "expired-key": "whether it goes, or until when it counts, is the administrator's to say",
  "bad-command": "which command lines are meant is the administrator's to say",
  "hooks-off": "which of the hooks that users brought are to run is the administrator's to say",
  "empty-jail": "what the jail is to have is the administrator's to say",
  // Its remedy is typed in apply-two-homes.test.ts.
  "two-homes": "no jail here has a link in the place of its homes",
  // Its remedy is typed in apply-kept-homes.test.ts.
  "kept-home": "no account here was removed without its home",
  // Its remedy is typed in apply.test.ts.
  "in-another-jail": "no account here is in another jail",
  "no-answer": "the daemon or the server of the name service is to be started",
  "directory-differs": "only the directory says where its accounts live",
  "not-in-directory": "whether the user is gone for good is the administrator's to say",
  "not-a-member": "no account here is of a directory",
  "not-ascii": "no account here is of a directory",
  // Its remedy is typed in apply-moves.test.ts.
  moved: "no jail here was moved",
  "not-mounted": "no jail here has a file system of its own",
  "holds-home": "which home another account is to have is the administrator's to say",
  "inside-home": "where each of the homes is to be is the administrator's to say",
  "nothing-found": "which package has what a section names is not known",
  "policy-exists": "which of two sections is to count is the administrator's to say",
  "inside-jail": "where the jail is to be is the administrator's to say",
  "not-their-home": "whose home it is is the administrator's to say",
  // Its remedy is typed in confinement.test.ts.
  "kernel-lacks": "the kernel of this machine lacks nothing",
  "no-jail": "which jail is meant is the administrator's to say",
  "no-landlock": "the kernel is another one",
  "shell-syntax": "whether a shell or the program is to get it is the administrator's to say",
  "no-shell": "what the user may do is the administrator's to say",
  "too-many": "which of thousands of sections or keys are to go cannot be told",
};

function check(file: string): ConfigReport["findings"] {
  const { stdout, stderr, status } = m.run(["jailkit", "config", "check", "--json", file]);
  if (status > 1) throw new Error(stderr);
  return reportOf(configReportSchema, stdout).findings;
}

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.addUser("u", { uid: 4001 });
  m.must(["jk_init", "-j", JAIL, "basicshell", "uidbasics"]);
  m.must(["jk_cp", "-j", JAIL, "/usr/bin/rsync", "/usr/bin/su"]);
  m.mkdir(`${JAIL}/home`);
  m.must(["chmod", "u+s", `${JAIL}/usr/bin/su`]);
  m.must(["jk_jailuser", "--jail-side-only", "-j", JAIL, "u"]);
  m.must(["cp", "-a", CONFIG, "/root/config"]);
  m.must(["cp", "-a", JAIL, "/root/jail"]);
});
afterAll(async () => {
  console.log(
    `remedies of config check that were typed: ${ran}; codes without: ${Object.keys(NO_REMEDY).length}`,
  );
  await m?.close();
});

const titled = FAULTS.map(
  (one, index) => [index, one.code, JSON.stringify(one.text).slice(0, 60), one] as const,
);

describe("the remedies work", () => {
  test.each(titled)("%d %s %s", (_index, _code, _text, { code, file, text, plant }) => {
    for (const [kept, place] of [
      ["/root/config", CONFIG],
      ["/root/jail", JAIL],
    ] as const)
      m.must(["rsync", "-aHAX", "--delete", `${kept}/`, `${place}/`]);
    m.write(file, text);
    if (plant !== undefined) m.must(["sh", "-ec", plant]);
    const before = check(file);
    expect(before.map((one) => one.code)).toContain(code);
    // One at a time, each from a fresh look: a line that was changed moves others.
    const seen: string[] = [];
    for (let left = before; left.length > 0 && seen.length < 12; left = check(file)) {
      const [first] = left;
      if (first === undefined) break;
      const { status, stderr } = typeRemedy(m, first.remedy ?? "");
      ran++;
      seen.push(`${first.code}: ${first.remedy}`);
      expect([seen, status, stderr]).toEqual([seen, 0, ""]);
      const now = check(file);
      expect([seen, now.length]).toEqual([seen, expect.any(Number)]);
      if (now.length >= left.length) expect([seen, now]).toEqual([seen, left.slice(1)]);
    }
    expect([seen, check(file)]).toEqual([seen, []]);
  });
});

test.each(Object.keys(FINDING_CODES) as FindingCode[])("%s has a case", (code) => {
  expect(FAULTS.some((one) => one.code === code) || NO_REMEDY[code] !== undefined).toBe(true);
});
