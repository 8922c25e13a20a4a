"""CREMA-D."""

from sersupport.corpora.convention import Corpus

# VideoDemographics.csv of CREMA-D; the other 48 of the 91 actors are male
_FEMALE = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028,
    1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063,
    1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})  # fmt: skip

CORPUS = Corpus(
    title="CREMA-D", language="en", folders=("cremad", "audiowav"), example="1001_DFA_ANG_XX.wav",
    pattern=r"(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX)",
    speakers={str(actor): "F" if actor in _FEMALE else "M" for actor in range(1001, 1092)},
    emotions={"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"},
    intensities={"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"},
    texts={
        "DFA": "Don't forget a jacket", "IEO": "It's eleven o'clock", "IOM": "I'm on my way to the meeting",
        "ITH": "I think I have a doctor's appointment", "ITS": "I think I've seen this before",
        "IWL": "I would like a new alarm clock", "IWW": "I wonder what this is about",
        "MTI": "Maybe tomorrow it will be cold", "TAI": "The airplane is almost full",
        "TIE": "That is exactly what happened", "TSI": "The surface is slick",
        "WSI": "We'll stop in a couple of minutes",
    },
    faulty={
        "1076_MTI_NEU_XX": "known faulty: next to nothing recorded",
        "1076_MTI_SAD_XX": "known faulty: next to nothing recorded",
        "1064_TIE_SAD_XX": "known faulty: cut off",
        "1064_IEO_DIS_MD": "known faulty: a minute with every emotion of the sentence",
    },
    misnamed={"1040_ITH_SAD_X": "1040_ITH_SAD_XX"},
)  # fmt: skip
