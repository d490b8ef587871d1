/** What is advised about StrictModes takes no home from the user who lives there. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  await m.startSshd({ config: ["AuthorizedKeysFile /home/owner/keys/%u", "StrictModes yes"] });
  m.must(["jk_init", "-j", "/srv/j", "jk_lsh", "sftp"]);
  m.must(["jk_addjailuser", "-j", "/srv/j", "kim"]);
  const { uid, gid } = m.addUser("owner", { home: "/home/owner", createHome: true });
  m.mkdir("/home/owner/keys", { owner: [uid, gid ?? 0] });
  m.write("/home/owner/keys/kim", "ssh-ed25519 AAAA\n");
});
afterAll(() => m?.close());

test("a file of keys in another user's home moves, the home stays with its user", () => {
  const { stdout } = m.run(["jailkit", "explain", "kim"]);
  expect(stdout).toContain("let AuthorizedKeysFile name a file that is not below /home/owner");
  expect(stdout).not.toContain("chown");
});

test("a directory of nobody's home is root's", () => {
  const { uid, gid } = m.ids("owner");
  m.must(["usermod", "-d", "/nonexistent", "owner"]);
  const { stdout } = m.run(["jailkit", "explain", "kim"]);
  expect(stdout).toContain("chown -h root /home/owner");
  m.must(["chown", "-h", "root", "/home/owner"]);
  m.must(["chown", "-h", "root", "/home/owner/keys"]);
  expect(m.run(["jailkit", "explain", "kim"]).stdout).not.toContain("chown -h root");
  m.chown("/home/owner", uid, gid);
});
