/** What is written down of a move, and which kind it is. */
import { expect, test } from "bun:test";
import { isAside, type Noted, notedIn, noteText } from "../../src/jail/fs/home-rest.ts";

const NOTED: Noted = {
  ...{
    home: "/home/eve",
    box: "/srv/jail/home/.jk-home-0123456789ab",
    isPlaced: true,
    isTold: false,
    mode: 0o2755,
  },
  account: { name: "eve", before: "/home/eve", after: "/srv/jail/home/eve" },
  both: { to: "/srv/jail/home/eve", homeInode: 402n, copyInode: 402n },
  tops: { home: "1 2 3", box: "4 5 6" },
};

test("a note says what was written, with what follows it of a longer one", () => {
  for (const noted of [
    NOTED,
    { ...NOTED, both: undefined, mode: undefined, isPlaced: false },
    { ...NOTED, isTold: true },
  ])
    expect(notedIn(`${noteText(noted)}rest\0of another`)).toEqual(noted);
});

test("two file systems may give a home and its copy one inode number", () => {
  expect([NOTED, { ...NOTED, box: "/home/.jk-move-eve" }].map(isAside)).toEqual([false, true]);
});
