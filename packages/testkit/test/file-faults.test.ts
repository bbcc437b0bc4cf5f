import { FileFaults } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';

function world() {
  const calls: string[] = [];
  const handle = {
    fd: 7,
    close: async () => {
      calls.push('close');
    },
    writev: async (parts: Uint8Array[], position: number) => {
      calls.push(`writev ${parts.map(({ length }) => length).join()} at ${position}`);
      return { bytesWritten: parts.reduce((sum, { length }) => sum + length, 0) };
    },
  };
  const faults = new FileFaults();
  const fs = faults.wrap({
    open: async () => handle,
    unlink: async () => {
      calls.push('unlink');
    },
    constants: { O_RDONLY: 0 },
  });
  return { faults, fs, calls };
}

describe('FileFaults', () => {
  it('counts calls and open handles, and lets the rest pass', async () => {
    const { faults, fs, calls } = world();
    const handle = await fs.open();
    expect([faults.open, handle.fd, fs.constants.O_RDONLY]).toEqual([1, 7, 0]);
    expect(await handle.writev([new Uint8Array(3), new Uint8Array(4)], 10)).toEqual({ bytesWritten: 7 });
    await handle.close();
    await handle.close();
    expect([faults.open, faults.log]).toEqual([0, ['open', 'writev', 'close', 'close']]);
    expect(calls).toEqual(['writev 3,4 at 10', 'close', 'close']);
  });

  it('makes one call fail without doing it; close closes all the same', async () => {
    const { faults, fs, calls } = world();
    faults.arm(({ number }) => (number === 1 ? 'EACCES' : undefined));
    await expect(fs.unlink()).rejects.toMatchObject({ code: 'EACCES' });
    const handle = await fs.open();
    faults.arm(({ name }) => (name === 'close' ? 'EIO' : undefined));
    await expect(handle.close()).rejects.toMatchObject({ code: 'EIO' });
    expect([faults.open, faults.happened, calls]).toEqual([0, 1, ['close']]);
    faults.disarm();
    await fs.unlink();
    expect(calls).toEqual(['close', 'unlink']);
  });

  it('cuts a write in half, but never to nothing', async () => {
    const { faults, fs, calls } = world();
    const handle = await fs.open();
    faults.arm(() => 'short');
    expect(await handle.writev([new Uint8Array(3), new Uint8Array(4), new Uint8Array(9)], 0)).toEqual({
      bytesWritten: 8,
    });
    expect(await handle.writev([new Uint8Array(1)], 8)).toEqual({ bytesWritten: 1 });
    expect(calls).toEqual(['writev 3,4,1 at 0', 'writev 1 at 8']);
  });
});
