import type { Attack } from './attack.ts';
import type { LineAnswer } from './line.ts';
import type { Logon, Scene } from './scene.ts';

/** With a connection that administrator has. */
type OnAdministrators = (kind: string, run: (scene: Scene, logon: Logon) => Promise<readonly LineAnswer[]>) => Attack;

/** The last token of a logon that was right, once more: whatever the mechanism, it is worth nothing. */
export function tokenReplays(
  onAdministrators: OnAdministrators,
  afterwards: (scene: Scene, logon: Logon) => Promise<readonly LineAnswer[]>,
): readonly Attack[] {
  const again = (scene: Scene, { sent }: Logon) => scene.bare(sent.at(-1) ?? '');
  return [
    onAdministrators('token replayed on its connection', async (scene, logon) => [
      await logon.line.ask(again(scene, logon)),
      ...(await afterwards(scene, logon)),
    ]),
    onAdministrators('token replayed on another connection', async (scene, logon) => {
      const line = await scene.open();
      return [await line.ask(again(scene, logon)), ...(await afterwards(scene, { ...logon, line }))];
    }),
  ];
}
