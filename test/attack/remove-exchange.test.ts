/** A user exchanges two names as fast as possible while root removes what it checked under one of them. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { removePath, removeTree } from "../../src/jail/fs/write.ts";
import { codeOf, makeJail, seen, type TestJail, USER } from "../unit/jail-helper.ts";
import { endRace, race } from "./escape-races.ts";

setDefaultTimeout(60_000);

const VICTIM = USER + 1;
const ROUNDS = 4000;
const MOST = 100_000;
let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(async () => {
  await endRace();
  jail.close();
});

/** The one of two names under which something is that always exists: it may be exchanged just after a look. */
function whichHolds(paths: readonly string[], holds: (path: string) => boolean): string | undefined {
  for (let look = 0; look < 1000; look++) {
    const found = paths.find(holds);
    if (found !== undefined) return found;
  }
  return undefined;
}

test("a directory of the user's and one of somebody else's", async () => {
  const team = "/home/team";
  const at = (path: string) => jail.path + path;
  const names = [`${team}/mine`, `${team}/other`];
  const [mine = "", other = ""] = names;
  const make = () => {
    mkdirSync(at(`${team}/.new/d`), { recursive: true });
    for (const name of ["d/f", "f"]) writeFileSync(at(`${team}/.new/${name}`), "mine");
    for (const name of ["", "/d", "/d/f"]) chownSync(at(`${team}/.new${name}`), USER, USER);
    return seen(jail.root, `${team}/.new`);
  };
  mkdirSync(at(other), { recursive: true });
  chownSync(at(team), 0, USER);
  chmodSync(at(team), 0o775);
  writeFileSync(at(`${other}/theirs`), "theirs");
  chmodSync(at(other), 0o700);
  chownSync(at(other), VICTIM, VICTIM);
  let stat = make();
  renameSync(at(`${team}/.new`), at(mine));
  await race(at(mine), at(other));
  const answers = new Map<string, number>();
  for (let round = 0; round < ROUNDS || (answers.size < 2 && round < MOST); round++) {
    const answer = codeOf(() => removeTree(jail.root, mine, stat));
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const holder = whichHolds(names, (path) => existsSync(at(`${path}/theirs`)));
    expect(holder).toBeDefined();
    if (readdirSync(at(team)).length === 2) continue;
    stat = make();
    renameSync(at(`${team}/.new`), at(names.find((path) => path !== holder) ?? ""));
  }
  // Both happened: it was removed, and another stood in its place.
  expect([...answers.keys()]).toEqual(expect.arrayContaining(["no error", "exchanged"]));
});

test("a file of the user's and another", async () => {
  const [mine, other] = ["/home/u/mine", "/home/u/other"];
  const at = (path: string) => jail.path + path;
  const write = (path: string, text: string) => {
    writeFileSync(at(path), text);
    chownSync(at(path), USER, USER);
  };
  write(other, "other");
  write(mine, "mine");
  let stat = seen(jail.root, mine);
  await race(at(mine), at(other));
  const answers = new Map<string, number>();
  const holdsOther = (path: string) => {
    try {
      return readFileSync(at(path), "utf8") === "other";
    } catch {
      return false;
    }
  };
  for (let round = 0; round < ROUNDS || (answers.size < 2 && round < MOST); round++) {
    const answer = codeOf(() => removePath(jail.root, mine, stat));
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    // What is put back where its name is taken gets another: nothing is lost.
    const names = readdirSync(at("/home/u")).map((name) => `/home/u/${name}`);
    const holder = whichHolds([...new Set([...names, mine, other])], holdsOther);
    expect(holder).toBeDefined();
    expect(readdirSync(jail.path).sort()).toEqual(["etc", "home", "usr"]);
    if (answer !== "no error") {
      const free = [mine, other].find((path) => !existsSync(at(path)));
      if (free !== undefined && holder !== undefined) renameSync(at(holder), at(free));
      continue;
    }
    write("/home/u/.new", "mine");
    stat = seen(jail.root, "/home/u/.new");
    renameSync(at("/home/u/.new"), at([mine, other].find((path) => path !== holder) ?? ""));
  }
  expect([...answers.keys()]).toEqual(expect.arrayContaining(["no error", "exchanged"]));
});
