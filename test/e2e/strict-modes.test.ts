/** What is advised about StrictModes takes no home from the user who lives there. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";

setDefaultTimeout(120_000);

let m: Machine;
let sshd: Sshd;
const CONFIG = "/etc/ssh/sshd_config";

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  sshd = await m.startSshd({
    config: ["AuthorizedKeysFile /home/owner/keys/%u", "StrictModes yes"],
  });
  m.must(["jk_init", "-j", "/srv/j", "jk_lsh", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/j", "-s", "/bin/bash", "kim"]);
  const { uid, gid } = m.addUser("owner", { home: "/home/owner", createHome: true });
  // HOME_MODE of login.defs(5) differs.
  m.chmod("/home/owner", 0o755);
  m.mkdir("/home/owner/keys", { owner: [uid, gid] });
  // sshd without PAM accepts no key of a locked account.
  m.must(["usermod", "-p", "*", "kim"]);
  m.write("/home/owner/keys/kim", m.read("/run/machine-ssh/client.pub"));
});
afterAll(() => m?.close());

/** What explain says about the keys of kim, and advises. */
function explained() {
  const { stdout } = m.run(["jailkit", "explain", "kim"]);
  const [, outcome, advice] = /^ +(\S+) +credentials: .*(?:\n +remedy: (.*))?/m.exec(stdout) ?? [];
  return { stdout, outcome, advice };
}
const logIn = () => {
  const { status, stdout } = sshd.ssh("kim", ["echo", "in"]);
  return [status, stdout];
};

test("a file of keys in the closed home of another user cannot be opened by the user's own command", () => {
  m.chmod("/home/owner", 0o700);
  try {
    expect(explained().stdout).toContain(
      "let the user read /home/owner/keys/kim, or let AuthorizedKeysFile name another file",
    );
  } finally {
    m.chmod("/home/owner", 0o755);
  }
});

test("a file of keys in another user's home moves, the home stays with its user", async () => {
  const before = m.snapshot("/home/owner");
  const { stdout } = explained();
  expect(stdout).not.toContain("chown");
  expect(stdout).toContain(
    "let AuthorizedKeysFile name a file that is not below /home/owner: it is in the home of 'owner'",
  );
  expect(logIn()).toEqual([255, ""]);

  // As it says.
  m.mkdir("/etc/ssh/keys");
  m.must(["install", "-m", "0644", "/home/owner/keys/kim", "/etc/ssh/keys/kim"]);
  m.write(CONFIG, m.read(CONFIG).replace("/home/owner/keys/%u", "/etc/ssh/keys/%u"));
  sshd.process.kill("SIGHUP");
  await sshd.process.until(({ stderr }) => stderr.split("Server listening on").length > 2 || undefined);

  expect(explained()).toMatchObject({ outcome: "ok", advice: undefined });
  expect(logIn()).toEqual([0, "in\n"]);
  expect(m.snapshot("/home/owner")).toEqual(before);
});

test("a directory of nobody's home is root's", () => {
  const { uid } = m.ids("owner");
  m.mkdir("/var/keys", { owner: [4900, 4900] });
  m.write("/var/keys/kim", m.read("/run/machine-ssh/client.pub"));
  m.write(CONFIG, m.read(CONFIG).replace("/etc/ssh/keys/%u", "/var/keys/%u"));
  const { advice = "" } = explained();
  expect(advice).toBe("chown -h root /var/keys");
  m.must(advice.split(" "));
  expect(explained()).toMatchObject({ outcome: "ok", advice: undefined });
  expect(m.stat("/home/owner")?.uid).toBe(uid);
});
