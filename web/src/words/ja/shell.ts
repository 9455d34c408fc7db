import type { Translated } from "../message";
import type { shell as english } from "../en/shell";

export const shell: Translated<typeof english> = {
  "shell.trouble.title": "キャンバスを開始できません。",
  "shell.trouble.again": "もう一度試す",
  "shell.drop": "ワークフロー、画像、動画、音声をここにドロップ",
  "shell.open-file": "ファイルを開く",
  "shell.language": "言語: {name}",
  "shell.language.auto": "言語: ブラウザーに合わせる",
};
