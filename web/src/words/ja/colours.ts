import type { Translated } from "../message";
import type { colours as english } from "../en/colours";

export const colours: Translated<typeof english> = {
  "colours.title": "配色",
  "colours.about": "役割ごとの色です。変えていない色はテーマのままです。",
  "colours.name": "名前",
  "colours.own": "自分の配色",
  "colours.base": "元のテーマ",
  "colours.dark": "ダーク",
  "colours.light": "ライト",
  "colours.open": "ファイルを開く",
  "colours.save": "このコンピューターに保存",
  "colours.reset": "すべて元に戻す",
  "colours.reset-one": "{role}: テーマの色に戻す",
  "colours.close": "閉じる",
  "colours.surfaces": "面",
  "colours.texts": "文字と線",
  "colours.threads": "線の種類",
  "colours.weak": "{ground} 上の {role}: {ratio}:1 は読みにくい (4.5:1 で十分)",
  "colours.bad-file": "このファイルに Weft の配色はありません: {why}。",
  "colours.not-object": "\"roles\" を持つ JSON オブジェクトではありません",
  "colours.unknown-role": "{role} という役割はありません",
  "colours.no-colour": "{role} が #a1b2c3 の形の色ではありません",
};
