/** A user who exchanges things while jk_chrootsh looks at them: the login sees the home that was checked, or none. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { J, openScene, type Scene } from "./chrootsh-scene.ts";

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

const LOGINS = 120;
let scene: Scene;
beforeAll(async () => {
  scene = await openScene("capability");
  scene.m.write("/root/flip.c", FLIP);
  scene.m.must(["gcc", "-O1", "-o", "/usr/bin/flip", "/root/flip.c"]);
});
afterAll(() => scene?.m.close());

/** Logs in again and again while u exchanges its home with what `plant` put beside it. */
async function race(
  plant: (beside: string) => void,
): Promise<{ statuses: Set<number>; directories: Set<string> }> {
  const { m, login, says, uid, gid } = scene;
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
  const statuses = new Set<number>();
  const directories = new Set<string>();
  for (let i = 0; i < LOGINS; i++) {
    const result = login();
    statuses.add(result.status);
    for (const directory of says(result, "cwd")) directories.add(directory);
    expect(says(result, "outside")).not.toContain("seen");
  }
  flip.end();
  await flip.ended;
  return { statuses, directories };
}

test("a home that is exchanged with a link to another directory", async () => {
  const { statuses, directories } = await race((beside) => scene.m.symlink("/etc", beside));
  for (const status of statuses) expect([0, 41, 53]).toContain(status);
  for (const directory of directories) expect(["/data/home", "/data/beside"]).toContain(directory);
});

test("a home that is exchanged with a directory of somebody else", async () => {
  const { statuses, directories } = await race((beside) => scene.m.mkdir(beside, { owner: [4002, 4002] }));
  for (const status of statuses) expect([0, 41, 53]).toContain(status);
  for (const directory of directories) expect(["/data/home", "/data/beside"]).toContain(directory);
});
