"""The case forms of a Ukrainian or Russian place name of one word, by its ending."""

VOWELS = "аеєиіїоуюяыэё"
HUSHING = "жшчщц"
BACK = "гкх"
SOFTENED = {"г": "з", "к": "ц", "х": "с"}
MASCULINE_SOFT = (
    "Израиль",
    "Ізраїль",
    "Севастополь",
    "Ставрополь",
    "Симферополь",
    "Брюссель",
    "Кремль",
    "Тернопіль",
    "Тайвань",
    "Ярославль",
)


def decline(name: str, language: str) -> list[str]:
    """Return the name in all cases it may have, itself first; a name of several words stays as it is."""
    if " " in name or ("-" in name and not name.rpartition("-")[2][:1].isupper()):
        return [name]
    forms = _russian(name) if language == "ru" else _ukrainian(name)
    return list(dict.fromkeys([name, *forms]))


def _russian(name: str) -> list[str]:
    stem, last = name[:-1], name[-1]
    if name.endswith("ия"):
        return [stem + end for end in ("и", "ю", "ей")]
    if name.endswith(("ье", "ие")):
        return [stem + end for end in ("я", "ю", "ем", "и")]
    if last == "а":
        return [stem + end for end in ("ы" if stem[-1] not in BACK + HUSHING else "и", "е", "у", "ой", "ей")]
    if last == "я":
        return [stem + end for end in ("и", "е", "ю", "ей")]
    if last == "ь" and name in MASCULINE_SOFT:
        return [stem + end for end in ("я", "ю", "ем", "е")]
    if last == "ь":
        return [stem + end for end in ("и", "ью", "я", "ю", "е", "ем")]
    if last == "й":
        return [stem + end for end in ("я", "ю", "ем", "е")]
    if last == "ы":
        return [stem + end for end in ("", "ов", "ам", "ами", "ах")]
    if last not in VOWELS:
        fleeting = (
            [name[:-2] + last + end for end in ("а", "у", "ом", "е")] if name.endswith(("ец", "ел")) else []
        )
        return fleeting + [name + end for end in ("а", "у", "ом", "е")]
    return []


def _ukrainian(name: str) -> list[str]:
    stem, last = name[:-1], name[-1]
    if name.endswith("ія"):
        return [stem + end for end in ("ї", "ю", "єю")]
    if name.endswith(("ля", "ня")):
        return [stem + end for end in ("і", "ю", "ею")]
    if name.endswith(("жжя", "ття", "ння", "лля", "'я", "’я")):
        return [stem + end for end in ("ю", "ям", "і")]
    if last == "а":
        soft = stem[:-1] + SOFTENED[stem[-1]] + "і" if stem[-1] in BACK else stem + "і"
        return [soft, *(stem + end for end in ("и", "і", "у", "ою", "ею"))]
    if last == "я":
        return [stem + end for end in ("і", "ю", "ею")]
    if name.endswith("ів"):
        return [name[:-2] + end for end in ("ова", "ову", "овом", "ові")] + [
            name[:-2] + "єв" + e for e in "аі"
        ]
    if name.endswith("їв"):
        return [name[:-2] + end for end in ("єва", "єву", "євом", "єві")]
    if name.endswith("іг"):
        return [name[:-2] + end for end in ("ога", "огу", "огом", "огові", "озі")]
    if name.endswith("піль"):
        return [name[:-3] + end for end in ("оля", "олю", "олем", "олі")]
    if name == "Крим":
        return ["Криму", "Кримом", "Кримі"]
    if last == "ь":
        return [stem + end for end in ("я", "ю", "ем", "і", "ом")]
    if last == "й":
        return [stem + end for end in ("я", "ю", "єм", "ї")]
    if last in "иі":
        return [stem + end for end in ("", "ів", "ам", "ами", "ах", "ей", "ям", "ях")]
    if last not in VOWELS:
        soft = [stem + SOFTENED[last] + "і"] if last in BACK else []
        return soft + [name + end for end in ("а", "у", "ом", "і", "ові", "ем")]
    return []
