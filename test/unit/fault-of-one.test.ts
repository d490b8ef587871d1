import { expect, test } from "bun:test";
import { failureIn } from "../../src/declaration/carry-out/steps.ts";
import type { InJail } from "../../src/declaration/compare/in-jail.ts";
import { userState } from "../../src/declaration/compare/look-user.ts";
import type { Machine } from "../../src/declaration/compare/machine.ts";
import type { DeclaredUser } from "../../src/declaration/model.ts";

/** An error that nothing expects, with a name that a user could have chosen. */
const error = new TypeError("a.of is not a function (\x1b[2J)");
const text = "this is a fault of jailkit, please report it: TypeError: a.of is not a function (\\x1b[2J)";

test("a fault of the program while one user is looked at is that user's fault alone", () => {
  const broken = new Proxy({} as Machine, {
    get: () => {
      throw error;
    },
  });
  const { fault } = userState({ name: "anna", jail: "/j" } as DeclaredUser, {} as InJail, broken, undefined);
  expect(fault).toEqual({ code: "unexpected", message: text });
});

test("a fault of the program while one thing is made leaves the others to be made", () => {
  expect(failureIn("/j", error)).toEqual({ code: "unexpected", message: text });
});
