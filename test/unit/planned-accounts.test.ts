import { expect, test } from "bun:test";
import { withPlanned } from "../../src/system/planned-accounts.ts";

const user = {
  name: "u",
  password: "x",
  uid: 1001,
  gid: 100,
  gecos: "",
  home: "/srv/j/./home/u",
  shell: "/s",
};
const users = { name: "users", gid: 100 };
const LINE = "u:x:1001:100::/srv/j/./home/u:/s\n";

test("a new account gets a line, after the lines that are there, and a member of each further group", () => {
  const files = { passwd: "root:x:0:0::/root:/bin/sh", group: "users:x:100:\nteam:x:7:a\nempty:x:8:\n" };
  const groups = [users, { name: "team", gid: 7 }, { name: "empty", gid: 8 }];
  expect(withPlanned(files, { user, groups })).toEqual({
    passwd: `root:x:0:0::/root:/bin/sh\n${LINE}`,
    group: "users:x:100:\nteam:x:7:a,u\nempty:x:8:u\n",
  });
});

test("an account that exists keeps its line, and a membership that exists is not repeated", () => {
  const files = { passwd: "u:x:5:5::/home/u:/bin/sh\n", group: "team:x:7:u,a\n" };
  expect(withPlanned(files, { user, groups: [{ name: "team", gid: 7 }] })).toEqual(files);
  const twice = { user, groups: [users, { name: "team", gid: 7 }] };
  expect(withPlanned(files, twice).group).toBe("team:x:7:u,a\nusers:x:100:\n");
});

test("lines without members, lines of NIS, and groups of another name service", () => {
  const files = { passwd: `+::::::\n`, group: "short:x:9\n+:::\nteams:x:6:\n" };
  const groups = [users, { name: "short", gid: 9 }, { name: "team", gid: 7 }];
  expect(withPlanned(files, { user, groups })).toEqual({
    passwd: `+::::::\n${LINE}`,
    group: "short:x:9:u\n+:::\nteams:x:6:\nusers:x:100:\nteam:x:7:u\n",
  });
});
