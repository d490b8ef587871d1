/** What the arguments of a command say for certain about paths and the network. */
import { describe, expect, test } from "bun:test";
import { networkNeed, pathOperands } from "../../src/known-programs/operands.ts";

const paths = (line: string) => {
  const [name = "", ...args] = line.split(" ");
  return pathOperands(name, args).map(({ path, use }) => `${use} ${path}`);
};

test.each([
  ["cat /a b", ["read /a", "read b"]],
  ["cat -n -- -x", ["read -x"]],
  ["cat - /a", ["read /a"]],
  ["cat --help /a", []],
  ["head -n 3 /a", ["read /a"]],
  ["head -n3 /a", ["read /a"]],
  ["tail -fn 3 /a", ["read /a"]],
  ["head -3 /a", []],
  ["ls -l /a", ["list /a"]],
  // The directory itself is not read then.
  ["ls -d /a", []],
  ["mkdir -p /a/b", ["create /a/b"]],
  ["mkdir -m 700 /a", []],
  ["touch /a", ["create /a"]],
  ["rm -rf /a /b", ["remove /a", "remove /b"]],
  ["cp /a /b /c", ["take /a", "take /b", "put /c"]],
  ["cp /a", []],
  ["cp -t /a /b", []],
  ["mv /a /b", ["remove /a", "put /b"]],
  ["tee -a /a", ["put /a"]],
  ["git-upload-pack /srv/a", ["take /srv/a"]],
  ["git-receive-pack /srv/a", ["put /srv/a"]],
  ["rsync --server --sender -logDtpre.iLsfxC . /a /b", ["take /a", "take /b"]],
  ["rsync --server -logDtpre.iLsfxC . /a", ["put /a"]],
  ["rsync -a /a /b", []],
  ["scp -f /a", ["take /a"]],
  ["scp -r -t /a", ["put /a"]],
  ["scp /a /b", []],
  ["grep x /a", []],
  ["toString /a", []],
])("%s: %j", (line, expected) => {
  expect(paths(line)).toEqual(expected);
});

describe("the network", () => {
  test.each([
    ["curl -s https://example.org/x", 443],
    ["wget http://example.org:8080", 8080],
    ["curl file:///etc/passwd", undefined],
    ["curl -V", undefined],
    ["git clone https://example.org/a.git", 443],
    ["git fetch git@example.org:a.git", "any"],
    ["git clone /srv/a.git", undefined],
    ["git log https://example.org", undefined],
    ["rsync -a example.org:/x /y", "any"],
    ["rsync -a rsync://example.org/x /y", 873],
    ["rsync -a /x /y", undefined],
    ["rsync --server --sender -e.x . a:b", undefined],
    ["scp a example.org:b", "any"],
    ["scp -t a:b", undefined],
    ["ssh -o BatchMode=yes example.org", "any"],
    ["ssh -V", undefined],
    ["ssh -Q cipher", undefined],
    ["ping example.org", "any"],
    ["cat https://example.org", undefined],
  ])("%s: %p", (line, expected) => {
    const [name = "", ...args] = line.split(" ");
    const need = networkNeed(name, args);
    expect(need === undefined ? undefined : (need.port ?? "any")).toBe(expected);
  });
});
