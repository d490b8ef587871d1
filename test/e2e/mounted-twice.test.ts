/** A directory that a mount or a symbolic link shows at two places: what is a jail at one of them. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const mounted: string[] = [];
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
afterEach(() => {
  for (const place of mounted.splice(0).toReversed()) m.must(["umount", place]);
});

/** Shows a directory at another place, too. */
function bind(from: string, to: string): void {
  for (const path of [from, to]) m.mkdir(path);
  m.must(["mount", "--bind", from, to]);
  mounted.push(to);
}
const jail = (path: string) => m.must(["jk_init", "-j", path, "uidbasics"]);
const refused = (...command: string[]) => {
  const { status, stderr } = m.run(command);
  expect([command, status]).toEqual([command, 1]);
  return stderr;
};

test("a jail is not deleted while another one is in it, by a mount", () => {
  const [outer, inner] = ["/srv/customer", "/srv/k"];
  jail(outer);
  bind(`${outer}/web/k`, inner);
  jail(inner);
  const message = `jailkit delete: ${outer}: the jail ${inner} is, by a mount, in it, and would go with it: delete that first\n`;
  for (const how of ["--dry-run", "--yes"]) expect(refused("jailkit", "delete", how, outer)).toBe(message);
  // What a mount covers goes when that has been unmounted.
  bind("/srv/empty", `${outer}/web`);
  expect(refused("jailkit", "delete", "--yes", outer)).toBe(message);
  expect(m.exists(`${inner}/etc/passwd`)).toBe(true);
  // One of another file system stays.
  m.mkdir(`${outer}/home`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", `${outer}/home`]);
  bind(`${outer}/home/other`, "/srv/other");
  jail("/srv/other");
  m.must(["umount", `${outer}/web`]);
  mounted.splice(mounted.indexOf(`${outer}/web`), 1);
  m.must(["jailkit", "delete", "--yes", inner]);
  mounted.splice(mounted.indexOf(inner), 1);
  m.must(["jailkit", "delete", "--yes", outer]);
  expect(m.exists("/srv/other/etc/passwd")).toBe(true);
  m.must(["jailkit", "delete", "--yes", "/srv/other"]);
  mounted.splice(0);
});

test("nor one that is also the directory of another one, with what helps", () => {
  const [real, link] = ["/var/www/clients/web1", "/var/www/example.com"];
  jail(real);
  bind(real, "/srv/bind");
  m.must(["useradd", "-M", "-d", "/srv/bind/./home/y", "y"]);
  const is = (how: string, other: string) =>
    `jailkit delete: ${real}: is, by ${how}, also the directory of the jail ${other}, and would go with it: `;
  expect(refused("jailkit", "delete", "--yes", real)).toBe(
    `${is("a mount", "/srv/bind")}unmount one of the two first\n`,
  );
  m.must(["umount", mounted.pop() ?? ""]);
  m.must(["ln", "-s", "clients/web1", link]);
  m.must(["usermod", "-d", `${link}/./home/y`, "y"]);
  const command = `usermod -d ${real}/./home/y y`;
  const refusedFor = (advice: string) =>
    expect(refused("jailkit", "delete", "--yes", real)).toBe(
      `${is(`the symbolic link '${link}'`, link)}${advice}\n`,
    );
  refusedFor(`let its users have their homes where the link leads: ${command}`);
  m.must(["sh", "-c", command]);
  expect(refused("jailkit", "delete", "--yes", real)).toContain("users live in it (y)");
  m.must(["userdel", "y"]);
  // The record of a jail that somebody has moved, with a link in its place.
  m.remove(link);
  jail(link);
  m.must(["mv", link, "/srv/lost"]);
  m.must(["ln", "-s", "clients/web1", link]);
  refusedFor(`nothing should name it by the link: jailkit forget ${link}`);
  m.must(["jailkit", "forget", link]);
  m.must(["jailkit", "delete", "--yes", real]);
  for (const path of [link, "/srv/lost"]) m.remove(path);
});

test("a directory with a jail in it, by a mount, is not live", () => {
  bind("/opt/big", "/srv/big");
  jail("/srv/big/k");
  const says =
    "/opt/big: the jail /srv/big/k is, by a mount, in it, and its files would be visible in /srv/live";
  expect(refused("jk_init", "-j", "/srv/live", "--live=/opt/big", "uidbasics")).toContain(says);
  bind("/opt/other/deep/k", "/srv/part");
  jail("/srv/part");
  expect(refused("jk_init", "-j", "/srv/live", "--live=/opt/other", "uidbasics")).toContain(
    "the jail /srv/part is, by a mount, in it",
  );
  expect(m.exists("/srv/live")).toBe(false);
  for (const path of ["/srv/big/k", "/srv/part"]) m.must(["jailkit", "delete", "--yes", path]);
  mounted.pop();
});

test("a jail that begins in a live directory, by a mount, is refused", () => {
  m.mkdir("/opt/shown");
  m.must(["jk_init", "-j", "/srv/live", "--live=/opt/shown", "uidbasics"]);
  bind("/opt/shown/jails", "/srv/jails");
  const says = "/srv/jails/c: a jail there is, by a mount, in /opt/shown, which is live in /srv/live";
  const refuses = () => expect(refused("jk_init", "-j", "/srv/jails/c", "uidbasics")).toContain(says);
  refuses();
  m.must(["jailkit", "unmount", "/srv/live"]);
  refuses();
  m.must(["jailkit", "mount", "/srv/live"]);
  m.must(["sed", "-i", "/shown/d", "/etc/fstab"]);
  refuses();
  // The other way round: a live directory that shows one of another place.
  bind("/srv/elsewhere", "/opt/shows");
  m.must(["jk_init", "-j", "/srv/live2", "--live=/opt/shows", "uidbasics"]);
  expect(refused("jk_init", "-j", "/srv/elsewhere/c", "uidbasics")).toContain(
    "a jail there is, by a mount, in /opt/shows, which is live in /srv/live2",
  );
  // Beside them is no mistake.
  jail("/srv/beside");
  for (const path of ["/srv/beside", "/srv/live", "/srv/live2"]) m.must(["jailkit", "delete", "--yes", path]);
});
