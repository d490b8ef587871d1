import { expect, test } from "bun:test";
import { type IpcObject, ipcText, readIpcTable, segmentsIn } from "../../src/system/ipc.ts";

const SHM = `       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
     18193          5  1600                  4096   191   191      1  1002  1002  1002  1002 1796166000          0 1796166000                  4096                     0
-559038737     163846   666                  4096   192   192      0  1003  1003  1002  1002          0          0 1796166001                  4096                     0
`;
const MSG = `       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime
     18193          0   600           0          0     0     0     0     0     0     0          0          0 1796166000
`;

const read = (kind: "shm" | "msg", text: string) => {
  const found: [readonly number[], IpcObject][] = [];
  readIpcTable(kind, text, (uids, object) => found.push([uids, object]));
  return found;
};

test("a table of System V IPC has the owner of each object, and who created it", () => {
  expect(read("shm", SHM)).toEqual([
    [[1002, 1002], { kind: "shm", id: 5, isMarked: true }],
    [[1003, 1002], { kind: "shm", id: 163_846, isMarked: false }],
  ]);
  expect(read("msg", MSG)).toEqual([[[0, 0], { kind: "msg", id: 0, isMarked: false }]]);
  expect(read("msg", "")).toEqual([]);
});

const map = (device: string, inode: number, path: string) =>
  `${`7f3696d3e000-7f3696d40000 rw-s 00000000 ${device} ${inode}`.padEnd(72)} ${path}\n`;
const SEGMENT = "/SYSV00004711 (deleted)";

test("a file with the name of a segment, or a path that ends like one, is none in the memory of a process", () => {
  const maps = [
    map("00:00", 0, "[heap]"),
    map("00:01", 5, SEGMENT),
    map("00:01", 4_294_967_295, SEGMENT),
    map("00:11", 3, SEGMENT),
    map("00:2f", 6, SEGMENT),
    map("fe:00", 123, `/srv/00:11 8 ${SEGMENT}`),
    map("00:11", 10, "/anon_hugepage (deleted)"),
    map("fe:00", 123, `/srv/a 7 ${SEGMENT}`),
    map("fe:00", 123, `/srv/00:01 8 ${SEGMENT}`),
    map("00:01", 9, "/memfd:SYSV00004711 (deleted)"),
    "7f3696d3e000-7f3696d40000 rw-p 00000000 00:00 0 \n",
  ];
  expect([...segmentsIn(maps.join(""), new Set(["00:01", "00:11"]))]).toEqual([5, 4_294_967_295, 3]);
});

test("objects in words", () => {
  const objects = read("shm", SHM).map(([, object]) => object);
  expect(ipcText(objects)).toBe("2 shared memory segments");
  expect(
    ipcText([...objects.slice(1), { kind: "queue", name: "x" }, { kind: "msg", id: 1, isMarked: false }]),
  ).toBe("1 shared memory segment, 2 message queues");
});
