"""What Weft's templates are called and are for, in other languages than English: title and description by name."""

from collections.abc import Mapping

SAID: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "de": {
        "default": (
            "Bild aus Text",
            "Ein Bild aus Worten, mit dem Modell, das Weft mitbringt.",
        ),
        "variations": (
            "Sechs auf einmal",
            "Ein Prompt, sechs Bilder, jedes aus eigenem Rauschen.",
        ),
        "regions": (
            "Wer wohin kommt",
            "Zwei Prompts, jeder für einen Bereich eines Bildes.",
        ),
        "film": (
            "Ein kleiner Film",
            "Von einem Prompt zum anderen, Bild für Bild, als Animation.",
        ),
        "image_to_image": (
            "Ein Bild aus einem Bild",
            "Das erste Bild wird mit anderen Worten übermalt.",
        ),
        "style_lora": (
            "Ein Stil aus einer LoRA",
            "Eine Tinte auf Cremepapier: gar nicht, halb, ganz.",
        ),
        "follow_edges": (
            "Den Kanten folgen",
            "Ein ControlNet führt ein anderes Bild an den Umrissen des ersten entlang.",
        ),
        "blend_prompts": (
            "Zwischen zwei Prompts",
            "Texte werden als Zahlen gemischt: vom Löwen zum Panda.",
        ),
        "negative_prompt": (
            "Was nicht gezeichnet wird",
            "Dasselbe Rauschen mit drei negativen Prompts.",
        ),
        "inpaint": (
            "Einen Teil neu zeichnen",
            "Wo die Maske ist, wird das Bild mit anderen Worten gezeichnet.",
        ),
        "enlarge": (
            "Erst klein, dann groß",
            "In der Größe des Modells zeichnen, vergrößern, noch einmal darübergehen.",
        ),
        "cut_out": (
            "Ausschneiden",
            "Ein einfarbiger Grund wird durchsichtig.",
        ),
        "guidance": (
            "Guidance spüren",
            "Dasselbe Rauschen bei cfg 1, 2, 4 und 12 nebeneinander.",
        ),
        "steps": (
            "Wie viele Schritte",
            "Dasselbe Rauschen in 2, 4, 8 und 20 Schritten.",
        ),
        "denoise": (
            "Denoise spüren",
            "Dasselbe Bild übermalt, von immer weiter oben im Rauschen.",
        ),
        "compare_samplers": (
            "Sampler vergleichen",
            "Vier Wege hinab aus demselben Rauschen nebeneinander.",
        ),
        "forward_process": (
            "Den Vorwärtsprozess ansehen",
            "Ein Bild versinkt im Rauschen, und was ein Sigma ist.",
        ),
        "parts_of_a_sampler": (
            "Ein Sampler in Teilen",
            "Rauschen, Guidance, Regel, Stufen und Schleife, jedes ein eigener Knoten.",
        ),
    },
    "ja": {
        "default": (
            "テキストから画像",
            "言葉から画像を作ります。Weft に付属のモデルを使います。",
        ),
        "variations": (
            "一度に六枚",
            "一つのプロンプトから、別々のノイズで六枚の画像。",
        ),
        "regions": (
            "配置を決める",
            "一枚の画像の領域ごとに別のプロンプト。",
        ),
        "film": (
            "小さな動画",
            "一つのプロンプトから別のプロンプトへ、アニメーションで。",
        ),
        "image_to_image": (
            "画像から画像",
            "最初の画像を別の言葉で描き直します。",
        ),
        "style_lora": (
            "LoRA で画風を変える",
            "クリーム色の紙に一色のインク。強さ 0、0.5、1。",
        ),
        "follow_edges": (
            "輪郭に沿う",
            "ControlNet が最初の画像の輪郭に沿って別の画像を描きます。",
        ),
        "blend_prompts": (
            "二つのプロンプトの間",
            "テキストを数値として混ぜます。ライオンからパンダへ。",
        ),
        "negative_prompt": (
            "描かないもの",
            "同じノイズに三つのネガティブプロンプト。",
        ),
        "inpaint": (
            "一部を描き直す",
            "マスクの部分だけを別の言葉で描きます。",
        ),
        "enlarge": (
            "小さく描いて大きくする",
            "モデルの得意な大きさで描き、拡大して、もう一度なぞります。",
        ),
        "cut_out": (
            "切り抜く",
            "単色の背景を透明にします。",
        ),
        "guidance": (
            "ガイダンスを感じる",
            "同じノイズを cfg 1、2、4、12 で並べます。",
        ),
        "steps": (
            "ステップ数",
            "同じノイズを 2、4、8、20 ステップで。",
        ),
        "denoise": (
            "denoise を感じる",
            "同じ画像を、より強いノイズから描き直します。",
        ),
        "compare_samplers": (
            "サンプラーを比べる",
            "同じノイズからの四つの道を並べます。",
        ),
        "forward_process": (
            "拡散過程を見る",
            "画像がノイズに沈む様子と、シグマの意味。",
        ),
        "parts_of_a_sampler": (
            "サンプラーを分解する",
            "ノイズ、ガイダンス、規則、段階、ループをそれぞれ別のノードで。",
        ),
    },
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "Make a picture": "Ein Bild machen",
        "Lead it": "Lenken",
        "Change and finish": "Ändern und fertigstellen",
        "Understand": "Verstehen",
    },
    "ja": {
        "Make a picture": "画像を作る",
        "Lead it": "導く",
        "Change and finish": "変更と仕上げ",
        "Understand": "理解する",
    },
}
