/**
 * What a message advises to move away keeps its content, and so does what already has the name that would be usual for it,
 * such as NAME.old; the command heals, and changes nothing when it is typed again.
 */
import { afterAll, beforeAll, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import {
  BEFORE,
  JAIL,
  LIMITED_USER,
  openRemedies,
  type Scene,
  SHELL_USER,
  typeRemedy,
} from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const HOME = `${JAIL}/home/${SHELL_USER}`;
const FOLDER = "/etc/jailkit/jails.d";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

interface Case {
  readonly what: string;
  /** Of a shell, in the jail. */
  readonly plant: string;
  /** What has the usual name: a directory, or a drop-in. */
  readonly taken: string;
  readonly ask: readonly string[];
  /** The command in what is printed. */
  readonly command: RegExp;
}

const explains = (what: string, plant: string, taken: string, name: string, user = SHELL_USER): Case => ({
  ...{ what, plant, taken },
  ask: ["jailkit", "explain", user],
  command: new RegExp(` ${name}: (?:.*, after: |.*\\n +remedy: )(.*)\\n`),
});
/** At the end of a line of standard error. */
const says = (what: string, plant: string, taken: string, ask: readonly string[]): Case => ({
  ...{ what, plant, taken, ask },
  command: /((?:iconv .* && )?(?:jk_chrootlaunch .*\/)?mv (?:-- )?-nT .*)$/m,
});
const utf16 = (text: string, file: string) => `printf '${text}' | iconv -t UTF-16 >${file}`;
const declared = (more: string) => `printf '[jail ${JAIL}]\\n${more}' >${FOLDER}/one.ini`;
const FOREIGN = `mv home/${SHELL_USER} home/away; mkdir home/${SHELL_USER}; chown ${LIMITED_USER} home/${SHELL_USER}`;

const CASES: readonly Case[] = [
  explains("a file in the place of a home", `mv ${HOME} home/x; touch ${HOME}`, `${HOME}.old`, "home-entry"),
  explains(
    "a link to nothing in the place of a home",
    `mv ${HOME} home/x; ln -s nowhere ${HOME}`,
    `${HOME}.old`,
    "home-present",
  ),
  explains("a directory in the place of a shell", "rm bin/bash; mkdir bin/bash", `${JAIL}/not-bash`, "shell"),
  explains("a file in the place of a directory", "rm -rf opt; touch opt", `${JAIL}/not-opt`, "jail-safety"),
  explains(
    "a configuration directory that is a link",
    "mv /etc/jailkit /etc/real; ln -s real /etc/jailkit",
    "/etc/jailkit.link",
    "config-directory",
  ),
  explains(
    "a limited shell of the jail's own",
    "mkdir -p usr/sbin; cp /bin/true usr/sbin/jk_lsh",
    `${JAIL}/usr/sbin/jk_lsh.old`,
    "own-shell",
    LIMITED_USER,
  ),
  explains(
    "a crontab",
    `echo '@daily true' >/var/spool/cron/crontabs/${SHELL_USER}`,
    `/root/crontab.${SHELL_USER}`,
    "crontab",
  ),
  explains("no logins", "echo >/etc/nologin", "/etc/nologin.old", "account"),
  explains(
    "keys that are somebody else's",
    `mkdir ${HOME}/.ssh; echo '${KEY}' >${HOME}/.ssh/authorized_keys; chown -R ${SHELL_USER} ${HOME}/.ssh; chown 77 ${HOME}/.ssh/authorized_keys`,
    `${HOME}/.ssh/authorized_keys.old`,
    "credentials",
  ),
  says(
    "keys in a directory that is a file",
    `touch ${HOME}/.ssh; chown ${SHELL_USER} ${HOME}/.ssh`,
    `${HOME}/.ssh.moved`,
    [...["jk_jailuser", "-n", "-j", JAIL, "--authorized-key", "/root/key.pub", SHELL_USER]],
  ),
  says("keys in another one's home", FOREIGN, `${HOME}.old`, [
    ...["jk_jailuser", "-n", "-j", JAIL, "--authorized-key", "/root/key.pub", SHELL_USER],
  ]),
  says(
    "another one's home",
    `${FOREIGN}; ${declared(`[user ${SHELL_USER}]\\njail = ${JAIL}\\nshell = /bin/bash\\n`)}`,
    `${HOME}.old`,
    ["jailkit", "apply"],
  ),
  says(
    "a directory in the place of a configuration",
    "rm /etc/jailkit/jk_socketd.ini; mkdir /etc/jailkit/jk_socketd.ini",
    "/etc/jailkit/jk_socketd.ini.aside",
    ["jailkit", "config", "check"],
  ),
  says("a declaration in UTF-16", utf16(`[jail ${JAIL}]\\n`, `${FOLDER}/one.ini`), `${FOLDER}/one.ini.orig`, [
    "jailkit",
    "apply",
    "--check",
  ]),
  says("a file that is not read", `${declared("")}; touch ${FOLDER}/one.INI`, `${FOLDER}/one.INI.aside`, [
    "jailkit",
    "apply",
  ]),
  says(
    "another section in the file of a log socket",
    `${declared("log_socket = yes\\n")}; mkdir -p /etc/jailkit/jk_socketd.d; printf '[/srv/other/dev/log]\\n' >/etc/jailkit/jk_socketd.d/srv-jails-one.ini`,
    "/etc/jailkit/jk_socketd.d/srv-jails-one.others.ini",
    ["jailkit", "apply", "--check"],
  ),
];

let scene: Scene;
let m: Machine;
beforeAll(async () => {
  scene = await openRemedies();
  m = scene.m;
  m.write("/root/key.pub", `${KEY}\n`);
  for (const path of ["/var/spool/cron/crontabs", "/run/sshd"]) m.mkdir(path);
});
afterAll(() => m?.close());

// With the rights of a jailed user, in the jail.
const MOVE = /mv (?:-- )?-nT (\S+) ([^\s;]+)/;

/** What a command prints, and the command in it that moves something. */
function asked({ ask, command }: Case) {
  const { stdout, stderr } = m.run(ask);
  const text = `${stdout}${stderr}`;
  const found = command
    .exec(text)?.[1]
    ?.replace(BEFORE, "")
    .replace(/^.*: (?=\w+ -)/, "");
  return { text, remedy: found !== undefined && MOVE.test(found) ? found : undefined };
}

test.each(CASES)("$what", (one) => {
  const { plant, taken } = one;
  onTestFinished(() => {
    scene.restore();
    m.must(["sh", "-c", `rm -rf '${taken}'* /etc/real /etc/nologin; crontab -u ${SHELL_USER} -r; true`]);
  });
  m.must(["sh", "-ec", `cd ${JAIL}\nmkdir -p ${FOLDER}\n${plant}`]);
  if (taken.endsWith(".ini")) m.write(taken, "[/srv/third/dev/log]\n");
  else
    m.must(["sh", "-ec", `mkdir '${taken}'; echo kept >'${taken}/marker'; chown ${LIMITED_USER} '${taken}'`]);
  const state = () => m.must(["find", taken, "-printf", "%p %U %i\n"]).stdout;
  const before = state();
  const { text, remedy } = asked(one);
  if (remedy === undefined) throw new Error(text);
  const inside = remedy.includes("jk_chrootlaunch ") ? JAIL : "";
  const [from = "", to = ""] = (MOVE.exec(remedy) ?? []).slice(1).map((path) => inside + path);
  const moved = m.stat(from);
  // Something has got the name since.
  const is = () => m.must(["find", from, "-maxdepth", "0", "-printf", "%i %U %s"]).stdout;
  const was = is();
  m.mkdir(to);
  typeRemedy(m, remedy);
  expect([remedy, is(), m.list(to)]).toEqual([remedy, was, []]);
  m.remove(to);
  for (const _ of [1, 2]) {
    typeRemedy(m, remedy);
    expect([remedy, asked(one).remedy, state()]).toEqual([remedy, undefined, before]);
    const { ino, uid } = m.stat(to) ?? {};
    expect([remedy, ino, uid]).toEqual([remedy, moved?.ino, moved?.uid]);
  }
});

test("names of 255 bytes, and what was moved away often, get a name that the file system has", () => {
  onTestFinished(() => {
    m.must(["sh", "-c", `rm -rf ${FOLDER}/*`]);
  });
  m.mkdir(FOLDER);
  const long = "x".repeat(251);
  const command = () => /remedy: (mv -nT .*)/.exec(m.run(["jailkit", "config", "check"]).stdout)?.[1];
  for (const [round, kept] of [`${"x".repeat(249)}.aside`, `${"x".repeat(248)}.aside2`].entries()) {
    // Nothing is left of its own name.
    m.write(`${FOLDER}/${long}.ini`, "");
    m.write(`${FOLDER}/${long}.INI`, `${round}`);
    const remedy = command();
    if (remedy === undefined) throw new Error("no remedy");
    typeRemedy(m, remedy);
    expect([remedy, m.read(`${FOLDER}/${kept}`), command()]).toEqual([remedy, `${round}`, undefined]);
  }
});
