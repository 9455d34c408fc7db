import type { Translated } from "../message";
import type { compare as english } from "../en/compare";

export const compare: Translated<typeof english> = {
  "compare.about": "2 枚の画像を比べる",
  "compare.title": "比較",
  "compare.how": "方法",
  "compare.wipe": "ワイプ",
  "compare.side": "並べる",
  "compare.difference": "差分",
  "compare.strength": "強さ",
  "compare.swap": "入れ替え",
  "compare.swap-hint": "2 枚を入れ替える",
  "compare.close": "閉じる",
  "compare.wipe-at": "ワイプ位置 {share}",
  "compare.both": "2 枚の画像",
  "compare.all": "比べる画像",
  "compare.as-b": "B として選択 (Shift で A)",
  "compare.as-b-of": "{name}: B として選択 (Shift で A)",
};
