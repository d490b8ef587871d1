/** The dry runs of the tools for jails are compared with their real runs; those for accounts have tables of their own. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { ALWAYS, filler, keepHost, listing, putBack, saidBy, setUpSshd } from "./dry-run-scene.ts";

setDefaultTimeout(60_000);

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[one]\npaths = cat\nincludesections = uidbasics\n[two]\npaths = id, nothere\n",
  );
  m.write("/usr/local/bin/changing", "#!/bin/sh\necho one\n", { mode: 0o755 });
  m.must(["groupadd", "team"]);
  setUpSshd(m);
  keepHost(m);
});
beforeEach(() => putBack(m));
afterAll(() => m?.close());

interface Situation {
  /** What is done before, as root; J is the jail, N the account, H the home on the host, S the home in the jail. */
  scene?: string;
  command: string;
  /** The exit status of both; 0 where it is left out. */
  status?: number;
}

const JAIL = "jk_init -j J one > J.said 2>&1; jk_cp -j J /usr/local/bin/changing > J.said 2>&1";
const USER = "useradd -m -d H -s /bin/sh N";
const needs = (key: string) =>
  `printf '[needs]\\npaths = cat\\n${key}\\n' > /etc/jailkit/jk_init.d/needs.ini`;
const READ_ONLY = "mount --bind J J; mount -o remount,bind,ro J";
const READ_ONLY_RECORDS =
  "mount --bind /var/lib/jailkit /var/lib/jailkit; mount -o remount,bind,ro /var/lib/jailkit";
const READ_ONLY_ETC = "mount --bind /etc /etc; mount -o remount,bind,ro /etc";
const SOCKETS = "/etc/jailkit/jk_socketd.d";
const READ_ONLY_SOCKETS = `mkdir -p ${SOCKETS}; mount --bind ${SOCKETS} ${SOCKETS}; mount -o remount,bind,ro ${SOCKETS}`;

const SITUATIONS: Readonly<Record<string, Situation>> = {
  "jk_init: a new jail": { command: "jk_init -j J one" },
  "jk_init: again": { scene: JAIL, command: "jk_init -j J one" },
  "jk_init: a program that is not there": { command: "jk_init -j J two" },
  "jk_init: no such section": { command: "jk_init -j J three", status: 4 },
  "jk_init: a jail that is not safe": {
    scene: "mkdir J; chmod 0777 J",
    command: "jk_init -j J one",
    status: 3,
  },
  "jk_init: a jail that is a file": {
    scene: "touch J",
    command: "jk_init -j J one",
    status: 1,
  },
  "jk_init: below a file": {
    scene: "touch J",
    command: "jk_init -j J/jail one",
    status: 1,
  },
  "jk_init: a file in the way": { scene: "mkdir -p J/usr/bin/cat", command: "jk_init -j J one", status: 1 },
  "jk_init: another file in the way": {
    scene: "mkdir -p J/usr/bin; echo x > J/usr/bin/cat",
    command: "jk_init -j J one",
  },
  "jk_init: with --force": {
    scene: "mkdir -p J/usr/bin; echo x > J/usr/bin/cat",
    command: "jk_init -f -j J one",
  },
  "jk_init: a jail that is read-only": {
    scene: `${JAIL}; rm J/usr/bin/cat; ${READ_ONLY}`,
    command: "jk_init -j J one",
    status: 1,
  },
  "jk_init: a jail that is read-only, and complete": {
    scene: `${JAIL}; ${READ_ONLY}`,
    command: "jk_init -j J one",
  },
  "jk_init: a link in the way that is not used": {
    scene:
      "mkdir J; ln -s /tmp J/opt; echo '[tmp]' > /etc/jailkit/jk_init.d/tmp.ini; echo 'emptydirs = /tmp' >> /etc/jailkit/jk_init.d/tmp.ini",
    command: "jk_init -j J tmp",
    status: 1,
  },
  "jk_init: below a directory of a user": {
    scene: "mkdir J; chown games J",
    command: "jk_init -j J/new/jail one",
    status: 3,
  },
  "jk_init: below a directory that is read-only": {
    scene: `mkdir J; ${READ_ONLY}`,
    command: "jk_init -j J/new/jail one",
    status: 1,
  },
  "jk_init: below a link of a user": {
    scene: "mkdir -m 1777 J; ln -s /srv J/link",
    command: "jk_init -j J/link/jail one",
    status: 3,
  },
  "jk_init: only a part is read-only": {
    scene: "mkdir -p J/usr/bin; mount --bind J/usr/bin J/usr/bin; mount -o remount,bind,ro J/usr/bin",
    command: "jk_init -j J one",
    status: 1,
  },
  "jk_init: records that are read-only": {
    scene:
      "mkdir -p /var/lib/jailkit; mount --bind /var/lib/jailkit /var/lib/jailkit; mount -o remount,bind,ro /var/lib/jailkit",
    command: "jk_init -j J one",
    status: 1,
  },
  "jk_init: hard links on another file system": {
    scene: "mkdir J; mount -t tmpfs -o mode=0755 none J",
    command: "jk_init -k -j J one",
  },
  "jk_init: hard links on another mount": {
    scene: "mkdir J; mount --bind J J",
    command: "jk_init -k -j J one",
  },
  "jk_init: hard links, only a part on another file system": {
    scene: "mkdir -p J/usr/bin; mount -t tmpfs -o mode=0755 none J/usr/bin",
    command: "jk_init -k -j J one",
  },
  "jk_cp: hard links, but a file gets another mode": {
    scene: `${JAIL}; cp /bin/true /usr/local/bin/N; chmod 4755 /usr/local/bin/N`,
    command: "jk_cp -k -j J /usr/local/bin/N",
  },
  "jk_init --live: a line of others for the same place": {
    scene: "echo '/opt J/usr none bind 0 0' >> /etc/fstab",
    command: "jk_init --live -j J",
    status: 1,
  },
  "jk_init --live: a line of others, and a jail that is there": {
    scene: "jk_init -j J one > J.said 2>&1; rm -r J; mkdir J; echo '/opt J/usr none bind 0 0' >> /etc/fstab",
    command: "jk_init --live -j J",
    status: 1,
  },
  "jk_init: proc, and an fstab that is a symbolic link": {
    scene: `mv /etc/fstab /etc/fstab.N; ln -s fstab.N /etc/fstab; ${needs("need_proc = 1")}`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init: a log socket, and a file in the place of its section": {
    scene: `${needs("need_logsocket = 1")}; mkdir -p /etc/jailkit/jk_socketd.d; echo "[/srv/x]" > /etc/jailkit/jk_socketd.d/srv-jail%2d"N".ini`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init: sockets, and a line of others for their place": {
    scene: `echo '/opt J/run/gamesd none bind 0 0' >> /etc/fstab; install -d -o games /run/gamesd; ${needs("sockets = /run/gamesd/socket")}`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init: a log socket, and a directory of its section that is read-only": {
    scene: `${needs("need_logsocket = 1")}; ${READ_ONLY_SOCKETS}`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init: proc, and an fstab that is read-only": {
    scene: `${needs("need_proc = 1")}; ${READ_ONLY_ETC}`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init: sockets, and an fstab that is read-only": {
    scene: `install -d -o games /run/gamesd; ${needs("sockets = /run/gamesd/socket")}; ${READ_ONLY_ETC}`,
    command: "jk_init -j J needs",
    status: 1,
  },
  "jk_init --live: an fstab that is read-only": {
    scene: READ_ONLY_ETC,
    command: "jk_init --live -j J",
    status: 1,
  },
  "jk_init --remove: a log socket, and a directory of its section that is read-only": {
    scene: `${needs("need_logsocket = 1")}; jk_init -j J needs > J.said; ${READ_ONLY_SOCKETS}`,
    command: "jk_init --remove -j J needs",
    status: 1,
  },
  "jk_init --remove: proc, and an fstab that is read-only": {
    scene: `${needs("need_proc = 1")}; jk_init -j J needs > J.said; umount J/proc; ${READ_ONLY_ETC}`,
    command: "jk_init --remove -j J needs",
    status: 1,
  },
  "jk_init: hard links": { command: "jk_init -k -j J one" },
  "jk_init: a link in the way": {
    scene: "mkdir J; ln -s /tmp J/usr",
    command: "jk_init -j J one",
    status: 1,
  },
  "jk_cp: a file": { scene: JAIL, command: "jk_cp -j J /usr/bin/id" },
  "jk_cp: again": { scene: JAIL, command: "jk_cp -j J /usr/local/bin/changing" },
  "jk_cp: a file that differs": {
    scene: `${JAIL}; echo x >> J/usr/local/bin/changing`,
    command: "jk_cp -j J /usr/local/bin/changing",
  },
  "jk_cp: a file that differs, with --force": {
    scene: `${JAIL}; echo x >> J/usr/local/bin/changing`,
    command: "jk_cp -f -j J /usr/local/bin/changing",
  },
  "jk_cp: a file that is not there": { scene: JAIL, command: "jk_cp -j J /usr/bin/nothere", status: 4 },
  "jk_cp: no jail": { command: "jk_cp -j J /usr/bin/id", status: 3 },
  "jk_cp: a directory in the way": {
    scene: `${JAIL}; mkdir J/usr/bin/id`,
    command: "jk_cp -j J /usr/bin/id",
    status: 1,
  },
  "jk_cp: a jail that is read-only": {
    scene: `${JAIL}; ${READ_ONLY}`,
    command: "jk_cp -j J /usr/bin/id",
    status: 1,
  },
  "jk_cp: setuid": { scene: JAIL, command: "jk_cp -s -j J /usr/bin/passwd" },
  "jk_cp --remove: a file": { scene: JAIL, command: "jk_cp --remove -j J /usr/local/bin/changing" },
  "jk_cp --remove: a file that users changed": {
    scene: `${JAIL}; echo x >> J/usr/local/bin/changing`,
    command: "jk_cp --remove -j J /usr/local/bin/changing",
  },
  "jk_cp --remove: a file that was not asked for": {
    scene: JAIL,
    command: "jk_cp --remove -j J /usr/bin/id",
    status: 4,
  },
  "jk_cp --remove: a file that is missing": {
    scene: `${JAIL}; rm J/usr/local/bin/changing`,
    command: "jk_cp --remove -j J /usr/local/bin/changing",
  },
  "jk_cp --remove: a jail that is read-only": {
    scene: `${JAIL}; ${READ_ONLY}`,
    command: "jk_cp --remove -j J /usr/local/bin/changing",
    status: 1,
  },
  "jk_cp --remove: records that are read-only": {
    scene: `${JAIL}; ${READ_ONLY_RECORDS}`,
    command: "jk_cp --remove -j J /usr/local/bin/changing",
    status: 1,
  },
  "jk_init --remove: a section": { scene: JAIL, command: "jk_init --remove -j J one" },
  "jk_init --remove: no such section": { scene: JAIL, command: "jk_init --remove -j J three", status: 4 },
  "jk_update: nothing": { scene: JAIL, command: "jk_update -j J" },
  "jk_update: a file that changed": {
    scene: `${JAIL}; echo '# N' >> /usr/local/bin/changing`,
    command: "jk_update -j J",
  },
  "jk_update: a file that is not there any more": {
    scene: `${JAIL}; cp /bin/true /usr/local/bin/N; jk_cp -j J /usr/local/bin/N; rm /usr/local/bin/N`,
    command: "jk_update -j J",
  },
  "jk_update: a file that was removed in the jail": {
    scene: `${JAIL}; rm J/usr/bin/cat`,
    command: "jk_update -j J",
  },
  "jk_update: a file that was changed in the jail": {
    scene: `${JAIL}; echo x >> J/usr/bin/cat`,
    command: "jk_update -j J",
  },
  "jk_update: a directory in the way": {
    scene: `${JAIL}; rm J/usr/bin/cat; mkdir J/usr/bin/cat`,
    command: "jk_update -j J",
  },
  "jk_update: a jail without a record": { scene: "mkdir J", command: "jk_update -j J" },
  "jk_update: a jail that is read-only": {
    scene: `${JAIL}; echo '# N' >> /usr/local/bin/changing; ${READ_ONLY}`,
    command: "jk_update -j J",
    status: 1,
  },
  "jk_update: nothing, and a jail that is read-only": {
    scene: `${JAIL}; ${READ_ONLY}`,
    command: "jk_update -j J",
  },
  "jk_update: records that are read-only": {
    scene: `${JAIL}; echo '# N' >> /usr/local/bin/changing; ${READ_ONLY_RECORDS}`,
    command: "jk_update -j J",
    status: 1,
  },
  "jk_update: nothing, and records that are read-only": {
    scene: `${JAIL}; ${READ_ONLY_RECORDS}`,
    command: "jk_update -j J",
    status: 1,
  },
  "jk_update: only a part is read-only": {
    scene: `${JAIL}; echo '# N' >> /usr/local/bin/changing; rm J/usr/bin/cat; mount --bind J/usr/bin J/usr/bin; mount -o remount,bind,ro J/usr/bin`,
    command: "jk_update -j J",
    status: 1,
  },
  "jk_update: a link in the way": {
    scene: `${JAIL}; mv J/usr J/not-usr; ln -s /tmp J/usr`,
    command: "jk_update -j J",
  },
  "jk_update: a directory in the way of a part that is read-only": {
    scene: `${JAIL}; mv J/usr/bin J/not-bin; touch J/usr/bin; ${READ_ONLY}`,
    command: "jk_update -j J",
    status: 1,
  },
  "jk_update: a directory in place of a link to a part that is read-only": {
    scene: `${JAIL}; mkdir -p /data; ln -s /data /usr/local/N; jk_cp -j J /usr/local/N /data > J.said; rm /usr/local/N; mkdir /usr/local/N; touch /usr/local/N/new; mount --bind J/data J/data; mount -o remount,bind,ro J/data`,
    command: "jk_update -j J",
  },
  "jk_update: no jail": { command: "jk_update -j J", status: 1 },
  "jailkit import: another jail like it": {
    scene: `${JAIL}; jailkit export -o J.json J; mkdir J.new`,
    command: "jailkit import -j J.new J.json",
  },
  "jailkit import: a place that is not empty": {
    scene: `${JAIL}; jailkit export -o J.json J; mkdir -p J.new/x`,
    command: "jailkit import -j J.new J.json",
    status: 1,
  },
  "jailkit import: again": {
    scene: `${JAIL}; jailkit export -o J.json J; jailkit import -j J.new J.json > J.said`,
    command: "jailkit import -j J.new J.json",
  },
  "jailkit import: a jail of somebody, from which the same was requested": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; jailkit export -o J.json J`,
    command: "jailkit import -j J J.json",
    status: 1,
  },
  "jailkit import: an account that lives elsewhere": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; jailkit export -o J.json J`,
    command: "jailkit import -j J.new J.json",
    status: 1,
  },
  "jailkit import: an account that is missing": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; jailkit export -o J.json J; userdel N`,
    command: "jailkit import -j J.new J.json",
  },
  "jailkit import: no file": { command: "jailkit import -j J J.json", status: 1 },
  "jailkit forget: a jail": { scene: JAIL, command: "jailkit forget J" },
  "jailkit forget: a user": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jailkit forget J",
    status: 1,
  },
  "jailkit forget: a user who may stay": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jailkit forget --with-users J",
  },
  "jailkit delete: a jail": { scene: JAIL, command: "jailkit delete -y J" },
  "jailkit delete: a user": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jailkit delete -y J",
    status: 1,
  },
  "jailkit delete: a user who is taken out": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jailkit delete -y --unjail J",
  },
  "jailkit delete: a user whose old home is there": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; mkdir H`,
    command: "jailkit delete -y --unjail J",
    status: 1,
  },
  "jailkit delete: a user whose shell is missing": {
    scene: `${JAIL}; cp /bin/sh /usr/local/bin/sh-N; useradd -m -d H -s /usr/local/bin/sh-N N; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; rm /usr/local/bin/sh-N`,
    command: "jailkit delete -y --unjail J",
    status: 1,
  },
  "jailkit delete: files of users": {
    scene: `${JAIL}; mkdir J/data; touch J/data/f; chown games J/data/f`,
    command: "jailkit delete -y J",
    status: 1,
  },
  "jailkit delete: files of users too": {
    scene: `${JAIL}; mkdir J/data; touch J/data/f; chown games J/data/f`,
    command: "jailkit delete -y --user-files J",
  },
  "jailkit delete: a mount": {
    scene: `${JAIL}; mkdir J/data; mount -t tmpfs none J/data`,
    command: "jailkit delete -y J",
  },
  "jailkit delete: a jail that is read-only": {
    scene: `${JAIL}; ${READ_ONLY}`,
    command: "jailkit delete -y J",
  },
  "jailkit delete: a jail that is missing": { scene: `${JAIL}; rm -rf J`, command: "jailkit delete -y J" },
  "jailkit delete: a jail that is not known": { scene: "mkdir J", command: "jailkit delete -y J", status: 1 },
  "jailkit delete: settings that name it": {
    scene: `${JAIL}; printf '[J]\\n' >> /etc/jailkit/jk_check.ini`,
    command: "jailkit delete -y J",
  },
  "jailkit adopt: a jail": { scene: `${JAIL}; rm -rf /var/lib/jailkit`, command: "jailkit adopt J" },
  "jailkit adopt: a jail that has a record": { scene: JAIL, command: "jailkit adopt J", status: 1 },
  "jailkit adopt: with --force": { scene: JAIL, command: "jailkit adopt -f J" },
  "jailkit adopt: nothing": { scene: "mkdir J; touch J/x", command: "jailkit adopt J", status: 1 },
  "jailkit adopt: no jail": { command: "jailkit adopt J", status: 1 },
  "jailkit adopt: moved": { scene: `${JAIL}; mv J J.new`, command: "jailkit adopt --moved J J.new" },
  "jailkit adopt: moved, with users": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; mv J J.new`,
    command: "jailkit adopt --moved J J.new",
  },
  "jk_jailuser --unjail: the home moves": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jk_jailuser --unjail -m N",
  },
  "jk_jailuser --unjail: the home stays": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jk_jailuser --unjail N",
  },
  "jk_jailuser --unjail: a home in the way": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; mkdir H`,
    command: "jk_jailuser --unjail -m N",
    status: 1,
  },
  "jk_jailuser --unjail: no home": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; rm -r S`,
    command: "jk_jailuser --unjail -m N",
  },
  "jk_jailuser --unjail: no shell": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said`,
    command: "jk_jailuser --unjail -s /bin/none N",
    status: 1,
  },
  "jk_jailuser --unjail: a group": {
    scene: `${JAIL}; groupadd -f -r jailed; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -G jailed -j J N 2> J.said`,
    command: "jk_jailuser --unjail N",
  },
  "jk_jailuser --unjail: no jail": { scene: USER, command: "jk_jailuser --unjail N", status: 1 },
  "jk_jailuser --unjail: a jail that is gone": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; rm -rf J`,
    command: "jk_jailuser --unjail -m N",
  },
  "jk_jailuser --unjail: a jail that is read-only": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; ${READ_ONLY}`,
    command: "jk_jailuser --unjail N",
    status: 1,
  },
  "jk_jailuser --unjail: accounts that are read-only": {
    scene: `${JAIL}; ${USER}; jk_jailuser -n -m -s /usr/bin/cat -j J N 2> J.said; mount --bind /etc /etc; mount -o remount,bind,ro /etc`,
    command: "jk_jailuser --unjail N",
    status: 1,
  },
  "jk_jailuser: a jail that is read-only": {
    scene: `${JAIL}; ${USER}; ${READ_ONLY}`,
    command: "jk_jailuser -n -s /usr/bin/cat -j J N",
    status: 1,
  },
  "jk_jailuser --jail-side-only: a line": {
    scene: `${JAIL}; ${USER}`,
    command: "jk_jailuser --jail-side-only -j J -s /usr/bin/cat N",
  },
  "jk_jailuser --jail-side-only: again": {
    scene: `${JAIL}; ${USER}; jk_jailuser --jail-side-only -j J -s /usr/bin/cat N`,
    command: "jk_jailuser --jail-side-only -j J -s /usr/bin/cat N",
  },
  "jk_jailuser --jail-side-only: out": {
    scene: `${JAIL}; ${USER}; jk_jailuser --jail-side-only -j J -s /usr/bin/cat N`,
    command: "jk_jailuser --jail-side-only --unjail -j J N",
  },
  "jk_jailuser --jail-side-only: a jail that is read-only": {
    scene: `${JAIL}; ${USER}; ${READ_ONLY}`,
    command: "jk_jailuser --jail-side-only -j J -s /usr/bin/cat N",
    status: 1,
  },
};

let count = 0;

test.each(Object.entries(SITUATIONS))("%s", (_name, { scene = "true", command, status = 0 }) => {
  const name = `d${++count}`;
  const jail = `/srv/jail-${name}`;
  const fill = filler({ J: jail, N: name, H: `/home/${name}`, S: `${jail}/home/${name}` });
  m.must(["sh", "-ec", fill(scene)]);
  const words = fill(command).split(" ");
  const at = words[0] === "jailkit" ? 2 : 1;
  const told = (...more: string[]) =>
    saidBy(m.run([...words.slice(0, at), "--json", ...more, ...words.slice(at)]), plain);
  const places = [...ALWAYS, "/srv", "/usr/local"];
  try {
    const before = listing(m, places);
    const dry = told("--dry-run");
    expect(listing(m, places)).toBe(before);
    const real = told();
    expect(dry).toEqual(real);
    expect(real.status).toBe(status);
  } finally {
    m.run(["umount", "-l", jail, `${jail}/data`, `${jail}/usr/bin`, "/etc", SOCKETS, "/var/lib/jailkit"]);
  }
});

// Only a real run has steps in the past, says what it has done, and knows that it has nothing to do.
const STATES: Readonly<Record<string, string>> = { planned: "done", unchanged: "done", pending: "updated" };

/** A report without what only one of the two can have. */
function plain(report: unknown): unknown {
  if (Array.isArray(report)) return report.map(plain);
  if (typeof report !== "object" || report === null) return report;
  const fields = Object.entries(report).filter(([key]) => key !== "steps" && key !== "done");
  return Object.fromEntries(
    fields.map(([key, value]) => [
      key,
      key === "status" || key === "state" ? (STATES[String(value)] ?? value) : plain(value),
    ]),
  );
}
