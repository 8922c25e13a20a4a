"""EMO-DB."""

from sersupport.corpora.convention import Corpus

CORPUS = Corpus(
    title="EMO-DB", language="de", folders=("emodb",), example="03a01Fa.wav",
    pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[A-Z])[a-z]?",
    speakers={
        "03": "M", "08": "F", "09": "F", "10": "M", "11": "M", "12": "M", "13": "F", "14": "F", "15": "M", "16": "F",
    },
    emotions={"W": "angry", "E": "disgust", "A": "fear", "F": "happy", "N": "neutral", "T": "sad"},
    texts={
        "a01": "Der Lappen liegt auf dem Eisschrank",
        "a02": "Das will sie am Mittwoch abgeben",
        "a04": "Heute abend könnte ich es ihm sagen",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück",
        "a07": "In sieben Stunden wird es soweit sein",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
    },
    excluded={("emotion", "L"): "boredom: not one of the seven classes"},
)  # fmt: skip
