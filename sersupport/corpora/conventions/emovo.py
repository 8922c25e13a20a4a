"""EMOVO."""

from sersupport.corpora.convention import Corpus

CORPUS = Corpus(
    title="EMOVO", language="it", folders=("emovo",), example="dis-f1-b1.wav",
    pattern=r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm]\d)-(?P<text>[bdln]\d)",
    speakers={"f1": "F", "f2": "F", "f3": "F", "m1": "M", "m2": "M", "m3": "M"},
    emotions={
        "rab": "angry", "dis": "disgust", "pau": "fear", "gio": "happy", "neu": "neutral", "tri": "sad",
        "sor": "surprise",
    },
    texts={
        "b1": "Gli operai si alzano presto", "b2": "I vigili sono muniti di pistola",
        "b3": "La cascata fa molto rumore", "d1": "Sabato sera cosa farà", "d2": "Porti con te quella cosa",
        "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre",
        "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata",
        "l3": "Un attimo dopo s'è incamminato ed è inciampato",
        "l4": "Vorrei il numero telefonico del Signor Piatti",
        "n1": "La casa forte vuole col pane", "n2": "La forza trova il passo e l'aglio rosso",
        "n3": "Il gatto sta scorrendo nella pera", "n4": "Insalata pastasciutta coscia d'agnello limoncello",
        "n5": "Uno quarantatré dieci mille cinquantasette venti",
    },
)  # fmt: skip
