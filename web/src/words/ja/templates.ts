import type { Translated } from "../message";
import type { templates as english } from "../en/templates";

export const templates: Translated<typeof english> = {
  "templates.title": "テンプレート",
  "templates.filter": "テンプレートを絞り込む",
  "templates.of-pack": "{pack} から",
  "templates.none": "この名前のテンプレートはありません。",
  "templates.close": "閉じる",
  "templates.begin": "テンプレート",
  "templates.begin.about": "すぐに実行できるワークフロー",
  "templates.all": "すべてのテンプレート",
};
