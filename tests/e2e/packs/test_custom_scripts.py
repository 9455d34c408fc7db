"""ComfyUI-Custom-Scripts, whole, as a person uses it: texts, words offered while writing, sound, pictures, presets."""

from playwright.sync_api import expect

from tests.e2e.canvas import Canvas
from tests.e2e.packs.real import MARKS, failures, placed, setting

pytestmark = MARKS
PACK = "ComfyUI-Custom-Scripts"
HEAR = """() => {
  window.played = [];
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () { played.push(new URL(this.src).pathname); return play.call(this); };
}"""


def test_texts_that_a_run_made_are_shown_in_their_nodes(two: Canvas):
    function = placed(two, "StringFunction|pysssss", (100, 100))
    show = placed(two, "ShowText|pysssss", (560, 100))
    two.wire(function, 0, show, "text")
    texts = two.node(function).locator("textarea")
    texts.nth(0).fill("a boat")
    texts.nth(1).fill("at sea")
    two.run()
    expect(two.node(show).locator("textarea")).to_have_value("a boat, at sea")
    expect(two.field(function, "result").locator("textarea")).to_have_value("a boat, at sea")
    assert failures(two) == {}


def test_a_sum_is_reckoned_and_stands_in_its_node(two: Canvas):
    node = placed(two, "MathExpression|pysssss", (300, 100))
    overlay = two.node(node).locator("canvas.weft-overlay")
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    )
    assert not overlay.evaluate(drawn)
    two.node(node).locator("textarea").fill("2 * (3 + 4)")
    two.run()
    assert two.page.evaluate("(id) => app.nodeOutputs[id].value", node) == [14]
    two.page.wait_for_function(f"canvas => ({drawn})(canvas)", arg=overlay.element_handle())


def test_a_sound_is_played_when_its_turn_comes(two: Canvas):
    function = placed(two, "StringFunction|pysssss", (100, 100))
    sound = placed(two, "PlaySound|pysssss", (560, 100))
    two.wire(function, 0, sound, "any")
    two.page.evaluate(HEAR)
    two.run()
    two.page.wait_for_function("() => played.length === 1")
    assert two.page.evaluate("() => played") == [f"/extensions/{PACK}/js/assets/notify.mp3"]


def test_words_of_ones_own_are_offered_while_one_writes(two: Canvas):
    page = two.page
    with setting(two, PACK, "pysssss.AutoCompleter") as row:
        row.get_by_role("button", name="Manage Custom Words").click()
        dialog = page.locator(".comfy-modal:visible")
        dialog.locator("textarea").fill("lighthouse,10\nlightning,5\n")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("button", name="Saved!")).to_be_visible()
        dialog.get_by_role("button", name="Close").click()
    prompt = placed(two, "CLIPTextEncode", (200, 150))
    text = two.node(prompt).locator("textarea")
    text.click()
    page.keyboard.type("a cat, lig")
    offered = page.locator(".pysssss-autocomplete")
    expect(offered).to_contain_text("lightning")
    page.keyboard.press("Enter")
    expect(text).to_have_value("a cat, lighthouse, ")
    assert two.node_of("CLIPTextEncode")["widgets_values"] == ["a cat, lighthouse, "]
    assert failures(two) == {}


def test_a_preset_is_written_kept_and_stands_in_the_prompt(two: Canvas):
    page = two.page
    preset, prompt = placed(two, "PresetText|pysssss", (200, 450)), placed(two, "CLIPTextEncode", (560, 150))
    two.node(preset).get_by_role("button", name="Manage").click()
    fields = page.locator(".comfy-modal:visible input")
    fields.nth(0).fill("Mood")
    fields.nth(1).fill("calm evening light")
    page.get_by_role("button", name="SAVE").click()
    expect(two.field(preset, "value")).to_contain_text("Mood")
    box = two.field(prompt, "text").bounding_box() or {}
    two.drag(two.output(preset), (box["x"] - 8, box["y"] + 13))
    sent = page.evaluate("() => app.graphToPrompt()")["output"]
    assert set(sent) == {str(prompt)}
    assert sent[str(prompt)]["inputs"]["text"] == "calm evening light"


def test_the_feed_of_pictures_has_room_of_its_own_and_opens_what_one_presses(two: Canvas):
    page = two.page
    picture, preview = placed(two, "EmptyImage", (100, 100)), placed(two, "PreviewImage", (560, 100))
    two.wire(picture, 0, preview, "images")
    feed = page.locator(".pysssss-image-feed-list img")
    before = page.locator("main").bounding_box()
    two.run()
    expect(feed).to_have_count(1)
    page.wait_for_function(
        "(before) => document.querySelector('main').getBoundingClientRect().height < before - 60",
        arg=(before or {})["height"],
    )
    ends = (
        "['main', '.comfyui-body-bottom'].map((name) => document.querySelector(name).getBoundingClientRect())"
    )
    page.wait_for_function(
        f"() => {{ const [main, feed] = {ends}; return Math.abs(main.bottom - feed.top) < 1; }}"
    )
    feed.first.click()
    light = page.locator(".pysssss-lightbox")
    expect(light.locator("img")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear").click()
    expect(feed).to_have_count(0)
    with setting(two, PACK, "pysssss.ImageFeed.Location") as row:
        row.locator("select").select_option("left")
    expect(page.locator(".comfyui-body-left .pysssss-image-feed")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.shell').getBoundingClientRect().left > 100")
    assert failures(two) == {}
