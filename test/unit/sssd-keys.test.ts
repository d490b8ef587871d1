import { expect, test } from "bun:test";
import { SSSD_KEYS, sssdKeys } from "../../src/system/sshd/sssd-keys.ts";

const asked = (command: string, name = "anna") =>
  sssdKeys(
    new Map([
      ["authorizedkeyscommand", [command]],
      ["authorizedkeyscommanduser", ["nobody"]],
    ]),
    { name, uid: 1000, home: "/home/anna" },
  );

test.each([
  "/usr/bin/cat /etc/keys",
  `/usr/local${SSSD_KEYS}`,
  `${SSSD_KEYS} -d example.org %u`,
  `${SSSD_KEYS} %U`,
  `${SSSD_KEYS} %u %k`,
])("%s is not run: what it prints, it alone knows", (command) => {
  expect(asked(command)).toBeUndefined();
});

test.each(["-h", "", "a/b", "a\nb"])("the name %j is never an argument", (name) => {
  expect(asked(SSSD_KEYS, name)).toBeUndefined();
});
