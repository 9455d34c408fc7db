import type { Translated } from "../message";
import type { errors as english } from "../en/errors";

export const errors: Translated<typeof english> = {
  "errors.not-json": "JSON ではありません: {line} 行目で{problem}。",
  "errors.json.follows": "終わりの後に余分なものがあります",
  "errors.json.deep": "入れ子が深すぎます",
  "errors.json.colon": "コロンがありません",
  "errors.json.comma-brace": "カンマか } がありません",
  "errors.json.comma-bracket": "カンマか ] がありません",
  "errors.json.text": "ここで文字列が始まるはずです",
  "errors.json.bad-text": "文字列の形が正しくありません",
  "errors.json.word": "不明な語があります",
  "errors.json.end": "途中で終わっています",
  "errors.no-workflow": "このファイルにワークフローはありません: ノードの一覧がありません。",
  "errors.no-prompt": "このファイルにプロンプトはありません: class_type のないノードがあります。",
  "errors.neither": "このファイルは JSON でも、ワークフローを含むものでもありません。",
  "errors.picture-bare": "この画像にはワークフローがありません。画像は、保存し直されていない場合だけワークフローを保ちます。",
  "errors.file-bare": "このファイルにはワークフローがありません。保存し直されていない場合だけ残ります。",
  "errors.text-too-large": "この画像に含まれるテキストが大きすぎます。",
  "errors.unexpected": "サーバーが {route} に予期しない応答を返しました。",
  "errors.no-answer": "サーバーが応答しません。まだ動いていますか?",
  "errors.refused": "サーバーが {route} を拒否しました ({status})。",
  "errors.run-lost": "サーバーはこの実行をもう知りません。",
  "errors.run-lost-hint": "サーバーが再起動しました。もう一度実行してください。",
  "errors.no-subgraph": "このファイルにはブループリントがありません: サブグラフのノードが見つかりません。",
};
