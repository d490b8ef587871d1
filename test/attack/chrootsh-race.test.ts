/** A user exchanges directories while jk_chrootsh checks them: the login sees the home that was checked, or none. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { J, says } from "./probe.ts";

const FLIP = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Exchanges two names until its standard input ends. */
int main(int argc, char **argv) {
  char byte;
  fcntl(0, F_SETFL, O_NONBLOCK);
  write(1, "ready\\n", 6);
  while (read(0, &byte, 1) != 0) renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE);
  return argc != 3;
}
`;

/** So many logins at least; and more, up to the second number, until one went in and one did not. */
const LOGINS = 120;
const MOST_LOGINS = 1500;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene("capability");
  scene.m.write("/root/flip.c", FLIP);
  scene.m.must(["gcc", "-O1", "-o", "/usr/bin/flip", "/root/flip.c"]);
});
afterAll(() => scene?.m.close());

/** What the logins came to, in order. */
interface Race {
  statuses: number[];
  directories: string[];
}

/** Logs in again and again while u exchanges its home with what `plant` put beside it. */
async function race(plant: (beside: string) => void): Promise<Race> {
  const { m, login, uid, gid } = scene;
  scene.reset();
  m.remove(`${J}/data`);
  // The directory above the home is the user's own, as jails of jailkit 2.23 allow it.
  m.mkdir(`${J}/data`, { owner: [uid, gid] });
  m.mkdir(`${J}/data/home`, { owner: [uid, gid] });
  m.write("/etc/passwd", m.read("/etc/passwd").replace("/./home/u:", "/./data/home:"));
  m.write(`${J}/etc/passwd`, m.read(`${J}/etc/passwd`).replace(":/home/u:", ":/data/home:"));
  plant(`${J}/data/beside`);
  const flip = m.start(["/usr/bin/flip", `${J}/data/home`, `${J}/data/beside`], { user: "u" });
  await flip.until(({ stdout }) => stdout.includes("ready") || undefined);
  const statuses: number[] = [];
  const directories: string[] = [];
  // Without both, nothing was raced: the home stood still, or no login would have come in anyway.
  const raced = () => statuses.includes(0) && statuses.some((status) => status !== 0);
  while (statuses.length < LOGINS || (!raced() && statuses.length < MOST_LOGINS)) {
    const result = login();
    statuses.push(result.status);
    directories.push(...says(result, "cwd"));
    expect(says(result, "outside")).not.toContain("seen");
  }
  flip.end();
  await flip.ended;
  return { statuses, directories };
}

/** Each login went into the home that was checked, or was refused for what it found there; and each happened. */
function expectHomeOrRefusal({ statuses, directories }: Race): void {
  for (const status of statuses) expect([0, 41, 53]).toContain(status);
  for (const directory of directories) expect(["/data/home", "/data/beside"]).toContain(directory);
  expect(statuses).toContain(0);
  expect(statuses.some((status) => status !== 0)).toBe(true);
  expect(directories).toHaveLength(statuses.filter((status) => status === 0).length);
}

test("a home that is exchanged with a link to another directory", async () => {
  expectHomeOrRefusal(await race((beside) => scene.m.symlink("/etc", beside)));
});

test("a home that is exchanged with a directory of somebody else", async () => {
  expectHomeOrRefusal(await race((beside) => scene.m.mkdir(beside, { owner: [4002, 4002] })));
});
