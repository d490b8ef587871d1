import { expect, test } from "bun:test";
import { SystemError } from "../../ffi/error.ts";
import { NameServices } from "../../src/system/name-services.ts";

const ENOENT = 2;
type Answer = (key: string | number) => { name: string } | undefined;

/** A run whose services answer so; what it was asked, and what each question says: an entry, or the code of the error. */
function run(answer: Answer, now?: () => number) {
  const services = new NameServices(now);
  const asked: (string | number)[] = [];
  const ask = (key: string | number) => {
    asked.push(/^jk\d+$/.test(`${key}`) ? "nobody" : key);
    return answer(key);
  };
  const source = {
    database: "group" as const,
    ask,
    local: (key: string | number) => (key === "here" ? { name: "here" } : undefined),
  };
  const find = (key: string | number) => {
    try {
      return services.find(source, key)?.name;
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error;
    }
  };
  return { find, asked };
}

const down = (): never => {
  throw new SystemError(ENOENT, "getgrnam", undefined);
};
const refusing: Answer = (key) => (`${key}`.includes("'") ? down() : { name: `${key}` });

test("a service that answers for others does not take the name, and is asked on", () => {
  const { find, asked } = run(refusing);
  expect([find("o'b"), find("anna"), find("o'b"), find(7)]).toEqual([
    "name-refused",
    "anna",
    "name-refused",
    "7",
  ]);
  expect(asked).toEqual(["o'b", "nobody", "o'b", "anna", 7]);
});

test("a service that is down is asked for one more name, and then nothing", () => {
  const { find, asked } = run(down);
  expect([find("anna"), find("o'b"), find("here"), find(7)]).toEqual([
    "name-service",
    "name-service",
    "here",
    "name-service",
  ]);
  expect(asked).toEqual(["anna", "nobody"]);
});

test("a service that answers for names, but not for a number, as SSSD for a uid of two entries, is asked on", () => {
  const { find, asked } = run((key) => (typeof key === "number" ? down() : { name: key }));
  expect([find(7), find("anna"), find(7)]).toEqual(["name-refused", "anna", "name-refused"]);
  expect(asked).toEqual([7, "nobody", 7, "anna"]);
});

test("a service that comes back meanwhile takes the name", () => {
  let questions = 0;
  const { find, asked } = run((key) => (questions++ === 0 ? down() : { name: `${key}` }));
  expect([find("anna"), find("berta")]).toEqual(["anna", "berta"]);
  expect(asked).toEqual(["anna", "nobody", "anna", "berta"]);
});

test("a service that goes down later is down, also after it has refused a name", () => {
  let isDown = false;
  const { find, asked } = run((key) => (isDown ? down() : refusing(key)));
  expect(find("o'b")).toBe("name-refused");
  isDown = true;
  expect([find("p'c"), find("anna"), find("o'b")]).toEqual(["name-service", "name-service", "name-refused"]);
  expect(asked).toEqual(["o'b", "nobody", "o'b", "p'c", "nobody"]);
});

test("a service that lets the first name wait is down: the next would wait as long", () => {
  let time = 0;
  const slow = () => {
    time += 10_000;
    return down();
  };
  const { find, asked } = run(slow, () => time);
  expect([find("anna"), find("berta")]).toEqual(["name-service", "name-service"]);
  expect(asked).toEqual(["anna"]);
});

test("what the files have is known, also if a service does not take its name", () => {
  const { find } = run((key) => (key === "here" ? down() : undefined));
  expect([find("here"), find("here"), find("anna")]).toEqual(["here", "here", undefined]);
});
