/** jk_check of a jail whose /home is a symbolic link: what it advises locks nobody out. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(180_000);

const J = "/srv/j2";
const CONFIG = "/etc/jailkit/jk_check.ini";

let m: Machine;
let sshd: Sshd;
let config = "";
let before: readonly string[] = [];

const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const findings = () => check(m, J).found;
const login = () => sshd.ssh("ann", ["cat", "letter"]).stdout;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  config = m.read(CONFIG);
  sshd = await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"] });
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.mkdir("/data", { mode: 0o755 });
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "--authorized-key", "/run/machine-ssh/client.pub", J, "ann"]);
  sshd.ssh("ann", ["echo precious > letter"]);
  expect(login()).toBe("precious\n");
  before = findings().map(({ message }) => message);
});
afterEach(() => {
  m.run(["umount", `${J}/home`]);
  m.run(["sed", "-i", "/none bind/d", "/etc/fstab"]);
  m.write(CONFIG, config);
  m.must(["userdel", "-f", "ann"]);
  for (const path of ["/srv", "/data", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** Does what is advised about each finding that the link has brought, once for each. */
function heal() {
  for (let count = 0; count < 4; count++) {
    const [found] = findings().filter(({ message }) => !before.includes(message));
    if (found === undefined) return;
    const remedy = found.remedy ?? "";
    expect(remedy).not.toMatch(/^mv [^&]*$|jk_cp/);
    const lines = /^(?:add these lines to|in section \[.*?\] of) (.*?)(?::| write:)\n(.*)$/s.exec(remedy);
    if (lines === null) sh(remedy);
    else m.write(lines[1] ?? "", `${m.read(lines[1] ?? "")}\n${lines[2]}\n`);
  }
  expect(findings().filter(({ message }) => !before.includes(message))).toEqual([]);
}

test.each([
  ["another disk", "mv /srv/j2/home /data/home; ln -s /data/home /srv/j2/home"],
  [
    "another disk, with homes on both sides",
    `mv ${J}/home /data/home; ln -s /data/home ${J}/home; mkdir ${J}/data; cp -a /data/home ${J}/data`,
  ],
  ["its path on the host", "mv /srv/j2/home /srv/j2/big; ln -s /srv/j2/big /srv/j2/home"],
  ["its path in the jail", "mv /srv/j2/home /srv/j2/big; ln -s /big /srv/j2/home"],
  ["a directory beside", "mv /srv/j2/home /srv/j2/big; ln -s big /srv/j2/home"],
  [
    "a link to another disk",
    "mv /srv/j2/home /data/home; ln -s /data/home /srv/j2/big; ln -s big /srv/j2/home",
  ],
])("a /home that is a link to %s", (_, move) => {
  sh(move);
  heal();
  expect(login()).toBe("precious\n");
});

test("the message is that of 2.23", () => {
  sh("mv /srv/j2/home /srv/j2/big; ln -s big /srv/j2/home");
  expect(m.run(["jk_check", J]).stdout).toContain(`ERROR: ${J}/home and /home are not both symlinks!`);
});
